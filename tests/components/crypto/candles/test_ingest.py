"""Ingestion from a source to one Parquet file and its report."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.crypto.candles.port import CandleError, CandlePage, SourceRefusedError, UnknownSymbolError
from components.crypto.candles.settings import SHIPPED_CANDLES, CandleSettings
from components.crypto.candles.table import CANDLE_SCHEMA, data_digest, from_table, to_table, write_parquet
from components.crypto.ingest import ingest_candles
from components.crypto.series import Series
from runtime.object_store.local import LocalObjectStore
from runtime.settings import runtime_settings
from tests.components.crypto.candles.wire import HOUR, START, BinanceServer, Fault, candle, history, page_of

BARS = 50


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out" / "candles.parquet"


@pytest.fixture
def live(server: BinanceServer, make_settings: Callable[..., CandleSettings]) -> CandleSettings:
    return make_settings(source="exchange", exchange_url=server.url, page_bars=20, max_retries=0)


def recording(folder: Path, candles: Mapping[datetime, tuple[float, ...]], name: str = "recording") -> CandleSettings:
    path = folder / f"{name}.parquet"
    write_parquet({Series("BTC").unique_id: page_of(dict(candles))}, path)
    return CandleSettings(recorded_path=path, since=START)


def test_the_shipped_candles_come_through_exactly(output: Path, objects: LocalObjectStore) -> None:
    symbols = ["SOL", "BTC", "BNB", "ETH", "DOGE", "XRP"]

    report = ingest_candles(output, symbols=symbols, objects=objects)

    assert pq.read_table(output).equals(pq.read_table(SHIPPED_CANDLES))
    assert (report.source, report.market, report.rows) == ("recorded", "usdm-perp", 6 * 26_304)
    assert report.source_clock == datetime(2026, 1, 1, tzinfo=UTC)
    assert all(series.gaps == series.duplicates == series.conflicts == 0 for series in report.series.values())


def test_only_the_requested_series_are_written_in_the_order_of_the_table(
    output: Path, objects: LocalObjectStore, live: CandleSettings
) -> None:
    report = ingest_candles(output, symbols=["ETH", "BTC", "ETH"], settings=live, objects=objects)

    table = pq.read_table(output)
    assert table.schema.equals(CANDLE_SCHEMA)
    keys = list(zip(table["unique_id"].to_pylist(), table["ds"].to_pylist(), strict=True))
    assert keys == sorted(keys)
    assert list(report.series) == ["binance:usdm-perp:BTC-USDT", "binance:usdm-perp:ETH-USDT"]


def test_the_second_ingestion_asks_only_for_what_is_new(
    server: BinanceServer, output: Path, objects: LocalObjectStore, live: CandleSettings
) -> None:
    ingest_candles(output, symbols=["BTC"], settings=live, objects=objects)
    server.requests.clear()
    server.candles["BTC"] = history(BARS + 4)
    server.clock += 4 * HOUR

    report = ingest_candles(output, symbols=["BTC"], settings=live, objects=objects)

    starts = [int(query["startTime"]) for query in server.queries_of("klines")]
    assert starts == [round((START + (BARS - 3) * HOUR).timestamp() * 1000)]
    series = report.series["binance:usdm-perp:BTC-USDT"]
    assert (series.rows, series.added, series.revised, series.received) == (BARS + 4, 4, 0, 7)


def test_a_bar_that_the_source_revised_is_taken_over_and_reported(
    server: BinanceServer, output: Path, objects: LocalObjectStore, live: CandleSettings
) -> None:
    first = ingest_candles(output, symbols=["BTC"], settings=live, objects=objects)
    opened, high, low, close, volume = candle(BARS - 2)
    server.candles["BTC"][START + (BARS - 2) * HOUR] = (opened, high + 1, low, close, volume)

    second = ingest_candles(output, symbols=["BTC"], settings=live, objects=objects)

    assert second.series["binance:usdm-perp:BTC-USDT"].revised == 1
    assert second.data_digest != first.data_digest
    assert pq.read_table(output)["high"].to_pylist()[-2] == high + 1


def test_the_candle_still_open_by_the_exchanges_clock_is_left_out_and_counted(
    server: BinanceServer, output: Path, objects: LocalObjectStore, live: CandleSettings
) -> None:
    server.clock -= timedelta(minutes=20)

    report = ingest_candles(output, symbols=["BTC"], settings=live, objects=objects)

    series = report.series["binance:usdm-perp:BTC-USDT"]
    assert (series.rows, series.dropped_open, series.last) == (BARS - 1, 1, START + (BARS - 2) * HOUR)
    assert report.source_clock == server.clock


def test_gaps_are_reported_and_healed_when_the_source_fills_them(
    server: BinanceServer, output: Path, objects: LocalObjectStore, live: CandleSettings
) -> None:
    whole = history(BARS)
    server.candles["BTC"] = {
        opened: v for opened, v in whole.items() if opened not in (START + 7 * HOUR, START + 8 * HOUR)
    }
    report = ingest_candles(output, symbols=["BTC"], settings=live, objects=objects)
    series = report.series["binance:usdm-perp:BTC-USDT"]
    assert (series.gaps, series.missing_bars, series.longest_gaps[0].first) == (1, 2, START + 7 * HOUR)

    server.candles["BTC"] = whole
    healed = ingest_candles(output, symbols=["BTC"], settings=live, objects=objects)

    assert healed.series["binance:usdm-perp:BTC-USDT"].gaps == 0
    assert from_table(pq.read_table(output)).opened_us.tolist() == page_of(whole).opened_us.tolist()


def test_flaws_of_a_recording_are_handled_and_counted(tmp_path: Path, output: Path, objects: LocalObjectStore) -> None:
    page = page_of(history(6))
    order = [0, 2, 1, 3, 3, 4, 5]
    flawed = CandlePage(page.opened_us[order], page.values[order])
    flawed.opened_us[6] += 1
    write_parquet({Series("BTC").unique_id: flawed}, tmp_path / "flawed.parquet")
    settings = CandleSettings(recorded_path=tmp_path / "flawed.parquet", since=START)

    series = ingest_candles(output, symbols=["BTC"], settings=settings, objects=objects).series[
        "binance:usdm-perp:BTC-USDT"
    ]

    assert (series.rows, series.duplicates, series.out_of_order, series.misaligned) == (5, 1, 1, 1)


def test_another_recording_never_mixes_with_the_candles_of_the_first(
    tmp_path: Path, output: Path, objects: LocalObjectStore
) -> None:
    ingest_candles(output, symbols=["BTC"], settings=recording(tmp_path, history(BARS)), objects=objects)
    changed = {opened: (v[0], v[1], v[2], v[3], 1.0) for opened, v in history(20).items()}

    report = ingest_candles(output, symbols=["BTC"], settings=recording(tmp_path, changed, "changed"), objects=objects)

    assert report.rows == 20
    assert set(pq.read_table(output)["volume"].to_pylist()) == {1.0}


def test_the_digest_is_of_the_candles_and_not_of_the_file(tmp_path: Path, objects: LocalObjectStore) -> None:
    pages = {"b:spot:A-B": page_of(history(5)), "a:spot:A-B": page_of(history(3))}
    again = {name: from_table(to_table({name: pages[name]})) for name in sorted(pages)}
    other = {**pages, "a:spot:A-B": page_of(history(4))}
    renamed = {"b:spot:A-C": pages["b:spot:A-B"], "a:spot:A-B": pages["a:spot:A-B"]}

    assert data_digest(pages) == data_digest(again)
    assert len({data_digest(pages), data_digest(other), data_digest(renamed), data_digest({})}) == 4


def test_the_digest_of_the_shipped_candles_is_pinned(output: Path, objects: LocalObjectStore) -> None:
    report = ingest_candles(output, symbols=["BTC"], objects=objects)

    assert report.data_digest == "ea8e1432d39df2696c56c91df2a8c4acd8808d3b77dfd4eef87cb479e00bbd28"


def test_an_unknown_symbol_is_named_with_the_nearest_and_nothing_is_written(
    output: Path, objects: LocalObjectStore
) -> None:
    with pytest.raises(UnknownSymbolError, match=r"'DOG'.*did you mean DOGE"):
        ingest_candles(output, symbols=["BTC", "DOG"], objects=objects)
    assert not output.exists()
    assert list(objects.list()) == []


def test_no_symbol_an_unknown_source_and_an_unknown_timeframe_are_refused(
    output: Path, objects: LocalObjectStore
) -> None:
    with pytest.raises(ValueError, match="no symbol"):
        ingest_candles(output, symbols=[], objects=objects)
    with pytest.raises(ValueError, match=r"'kraken'.*recorded, exchange, coingecko"):
        ingest_candles(output, symbols=["BTC"], source="kraken", objects=objects)
    with pytest.raises(ValueError, match=r"'2h'.*1h"):
        ingest_candles(output, symbols=["BTC"], timeframe="2h", objects=objects)


def test_a_failed_ingestion_leaves_the_last_output_as_it_was(
    server: BinanceServer, output: Path, objects: LocalObjectStore, live: CandleSettings
) -> None:
    ingest_candles(output, symbols=["BTC"], settings=live, objects=objects)
    before = output.read_bytes()
    server.faults["klines"] = [Fault(400, b'{"code":-1121,"msg":"Invalid symbol."}')]

    with pytest.raises(SourceRefusedError):
        ingest_candles(output, symbols=["BTC"], settings=live, objects=objects)

    assert output.read_bytes() == before
    assert list(output.parent.iterdir()) == [output]


def test_one_setting_switches_from_the_recording_to_the_live_exchange(
    server: BinanceServer, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIO_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("CANDLES_EXCHANGE_URL", server.url)
    monkeypatch.setenv("CANDLES_SINCE", START.isoformat())
    runtime_settings.cache_clear()
    try:
        recorded = ingest_candles(output, symbols=["BTC"])
        monkeypatch.setenv("CANDLES_SOURCE", "exchange")
        exchange = ingest_candles(output, symbols=["BTC"])
    finally:
        runtime_settings.cache_clear()

    assert (recorded.source, exchange.source) == ("recorded", "binanceusdm")
    assert set(recorded.series) == set(exchange.series)
    assert (tmp_path / "state" / "objects" / "candles").is_dir()


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "cannot read"), (b"no parquet", "cannot read"), (b"", "cannot read")],
    ids=["absent", "garbage", "empty"],
)
def test_a_recording_that_cannot_be_read_says_which_setting_to_change(
    tmp_path: Path, output: Path, objects: LocalObjectStore, content: bytes | None, message: str
) -> None:
    path = tmp_path / "recording.parquet"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(CandleError, match=rf"{message}.*CANDLES_RECORDED_PATH"):
        ingest_candles(output, symbols=["BTC"], settings=CandleSettings(recorded_path=path), objects=objects)


def test_a_recording_without_a_column_says_which(tmp_path: Path, output: Path, objects: LocalObjectStore) -> None:
    table = to_table({Series("BTC").unique_id: page_of(history(3))}).drop_columns(["low", "volume"])
    pq.write_table(table, tmp_path / "recording.parquet")

    with pytest.raises(CandleError, match=r"lacks the columns \['low', 'volume'\]"):
        ingest_candles(
            output,
            symbols=["BTC"],
            settings=CandleSettings(recorded_path=tmp_path / "recording.parquet"),
            objects=objects,
        )


def test_a_recording_of_two_markets_is_refused(tmp_path: Path, output: Path, objects: LocalObjectStore) -> None:
    path = tmp_path / "recording.parquet"
    write_parquet({Series("BTC", market=m).unique_id: page_of(history(3)) for m in ("spot", "usdm-perp")}, path)

    with pytest.raises(CandleError, match="one exchange, market and quote"):
        ingest_candles(output, symbols=["BTC"], settings=CandleSettings(recorded_path=path), objects=objects)


def test_the_report_is_plain_json_and_a_readable_page(
    server: BinanceServer, output: Path, objects: LocalObjectStore, live: CandleSettings
) -> None:
    del server.candles["BTC"][START + 7 * HOUR]

    report = ingest_candles(output, symbols=["BTC"], settings=live, objects=objects)

    plain = json.loads(json.dumps(report.to_dict()))
    assert plain["series"]["binance:usdm-perp:BTC-USDT"]["gaps"] == 1
    assert plain["source_clock"] == "2024-04-01T02:00:00+00:00"
    page = report.to_markdown()
    assert "| binance:usdm-perp:BTC-USDT | 49 | 2024-03-30 00:00 | 2024-04-01 01:00 | 1 | 1 |" in page
    assert "| binance:usdm-perp:BTC-USDT | 2024-03-30 07:00 | 2024-03-30 07:00 | 1 |" in page
    assert report.data_digest in page

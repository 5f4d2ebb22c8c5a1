"""One suite that every candle source passes."""

from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from components.crypto.candles.coingecko import CoinGeckoSource
from components.crypto.candles.exchange import ExchangeSource
from components.crypto.candles.port import (
    CandlePage,
    CandleSource,
    UnknownSymbolError,
    UnsupportedRequestError,
    resolve,
)
from components.crypto.candles.recorded import RecordedSource
from components.crypto.candles.settings import CandleSettings
from components.crypto.candles.table import write_parquet
from components.crypto.series import Series, Timeframe
from runtime.moments import microseconds
from tests.components.crypto.candles.conftest import Serve
from tests.components.crypto.candles.wire import (
    HOUR,
    START,
    BinanceServer,
    CoinGeckoServer,
    candle,
    history,
    page_of,
)

BARS = 60
HOURLY = Timeframe("1h")
CLOSE_OF_LAST = START + BARS * HOUR


@pytest.fixture(params=["recorded", "exchange-perp", "exchange-spot", "coingecko"])
async def source(
    request: pytest.FixtureRequest, serve: Serve, make_settings: Callable[..., CandleSettings], tmp_path: Path
) -> AsyncIterator[CandleSource]:
    made = _make(request.param, serve, make_settings, tmp_path)
    yield made
    await made.aclose()


def _make(kind: str, serve: Serve, make_settings: Callable[..., CandleSettings], folder: Path) -> CandleSource:
    if kind == "recorded":
        pages = {Series(symbol).unique_id: page_of(history(BARS)) for symbol in ("BTC", "ETH")}
        write_parquet(pages, folder / "recorded.parquet")
        return RecordedSource(folder / "recorded.parquet", page_bars=25)
    if kind == "coingecko":
        server = serve(CoinGeckoServer({"bitcoin": history(BARS), "ethereum": history(BARS)}, CLOSE_OF_LAST - HOUR))
        return CoinGeckoSource(make_settings(coingecko_url=server.url), wall_clock=lambda: CLOSE_OF_LAST)
    server = serve(BinanceServer({"BTC": history(BARS), "ETH": history(BARS)}, CLOSE_OF_LAST))
    market = {"exchange_id": "binance", "exchange_market": "spot"} if kind == "exchange-spot" else {}
    return ExchangeSource(make_settings(exchange_url=server.url, page_bars=25, **market))


async def bitcoin(source: CandleSource) -> Series:
    return (await resolve(source, ["BTC"]))[0]


async def fetch(source: CandleSource, since_bar: int = 0, until_bar: int = BARS) -> list[CandlePage]:
    series = await bitcoin(source)
    return [page async for page in source.fetch(series, HOURLY, START + since_bar * HOUR, START + until_bar * HOUR)]


async def test_every_candle_of_the_range_arrives_once_with_its_values_by_open_time(source: CandleSource) -> None:
    page = CandlePage.concat(await fetch(source))

    assert page.opened_us.tolist() == [microseconds(START + index * HOUR) for index in range(BARS)]
    np.testing.assert_allclose(page.values, [candle(index) for index in range(BARS)], rtol=1e-9)


async def test_the_range_holds_its_first_bar_and_not_its_last(source: CandleSource) -> None:
    page = CandlePage.concat(await fetch(source, 7, 31))

    assert page.opened_us[[0, -1]].tolist() == [microseconds(START + 7 * HOUR), microseconds(START + 30 * HOUR)]
    assert len(page) == 24


async def test_pages_come_in_time_order_and_none_is_empty(source: CandleSource) -> None:
    pages = await fetch(source)

    assert all(len(page) for page in pages)
    assert all(a.opened_us[-1] < b.opened_us[0] for a, b in zip(pages, pages[1:], strict=False))


async def test_a_range_before_the_first_candle_brings_nothing(source: CandleSource) -> None:
    assert await fetch(source, -48, -24) == []


async def test_an_empty_range_brings_nothing(source: CandleSource) -> None:
    assert await fetch(source, 5, 5) == []


async def test_symbols_are_sorted_and_hold_what_can_be_fetched(source: CandleSource) -> None:
    symbols = list(await source.symbols())

    assert symbols == sorted(symbols)
    assert {"BTC", "ETH"} <= set(symbols)


async def test_the_identity_of_a_series_is_the_sources(source: CandleSource) -> None:
    series = await bitcoin(source)

    assert series.unique_id == f"{source.exchange}:{source.market}:BTC-{source.quote}"


async def test_the_clock_is_the_sources_own_and_in_utc(source: CandleSource) -> None:
    now = await source.now()

    assert now == CLOSE_OF_LAST
    assert now.utcoffset() == timedelta(0)


async def test_resolving_an_unknown_symbol_names_the_nearest(source: CandleSource) -> None:
    with pytest.raises(UnknownSymbolError, match=r"'BTCC'.*did you mean BTC"):
        await resolve(source, ["ETH", "BTCC"])


async def test_fetching_an_unknown_symbol_names_the_nearest(source: CandleSource) -> None:
    series = replace(await bitcoin(source), symbol="ETHH")

    with pytest.raises(UnknownSymbolError, match="ETH"):
        [page async for page in source.fetch(series, HOURLY, START, CLOSE_OF_LAST)]


async def test_a_series_of_another_market_is_refused_with_both_named(source: CandleSource) -> None:
    series = await bitcoin(source)
    other = replace(series, market="usdm-perp" if series.market == "spot" else "spot")

    with pytest.raises(UnsupportedRequestError, match=rf"{source.market}.*{other.unique_id}"):
        [page async for page in source.fetch(other, HOURLY, START, CLOSE_OF_LAST)]


async def test_a_timeframe_that_the_source_lacks_is_refused(
    source: CandleSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("components.crypto.series._TIMEFRAME_SECONDS", {"1h": 3600, "7m": 420})
    series = await bitcoin(source)

    with pytest.raises(UnsupportedRequestError, match=r"7m.*"):
        [page async for page in source.fetch(series, Timeframe("7m"), START, CLOSE_OF_LAST)]


async def test_closing_twice_is_no_error(source: CandleSource) -> None:
    await source.symbols()
    await source.aclose()
    await source.aclose()


async def test_the_origin_can_name_objects_and_is_stable(source: CandleSource) -> None:
    assert source.origin == source.origin
    assert set(source.origin) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")

"""What every window reader keeps, on each online store."""

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.crypto.features import build_features
from components.crypto.materialise import MaterialiseError, MaterialiseReport, materialise_windows
from feature_repo import crypto
from feature_repo.online import FeastWindowReader, FeatureServiceMissingError, Window

BTC, ETH = "binance:usdm-perp:BTC-USDT", "binance:usdm-perp:ETH-USDT"
MakeTables = Callable[..., object]


def materialise(tables: object) -> MaterialiseReport:
    return materialise_windows(tables.candles, tables.features)


def read(*unique_ids: str) -> list[Window | None]:
    return FeastWindowReader(crypto.feature_digest()).read(unique_ids)


def assert_same(window: Window | None, tables: object) -> None:
    assert window is not None
    features, candles = tables.window(window.unique_id)
    np.testing.assert_array_equal(window.window, features)
    np.testing.assert_array_equal(window.candles, candles)


def test_the_online_window_equals_the_last_offline_rows_bit_for_bit(online_store: str, make_tables: MakeTables) -> None:
    tables = make_tables()
    report = materialise(tables)
    found = read(BTC, ETH)
    for window in found:
        assert_same(window, tables)
        assert (window.window.dtype, window.candles.dtype) == (np.float32, np.float64)
        last = tables.rows[tables.rows["unique_id"] == window.unique_id].iloc[-1]
        assert (window.ds, window.last_close) == (last["ds"].to_pydatetime(), last["close"])
        assert window.as_of == window.ds + timedelta(hours=1)
    assert report.written == (BTC, ETH)
    assert (report.rows, report.as_of) == (len(tables.rows), found[0].as_of)


def test_an_unknown_series_is_none_and_the_order_is_that_of_the_question(
    online_store: str, make_tables: MakeTables
) -> None:
    materialise(make_tables())
    found = read(ETH, "binance:spot:BTC-USDT", BTC, ETH)
    assert [w and w.unique_id for w in found] == [ETH, None, BTC, ETH]
    assert read() == []


def test_a_digest_that_was_never_materialised_says_what_to_run(online_store: str, make_tables: MakeTables) -> None:
    materialise(make_tables())
    with pytest.raises(FeatureServiceMissingError, match=r"crypto_serving_1h_0123456789ab.*run crypto-refresh"):
        FeastWindowReader("0123456789ab")


def test_a_stale_window_is_given_with_its_own_event_time(online_store: str, make_tables: MakeTables) -> None:
    materialise(make_tables(bars=920))
    (window,) = read(BTC)
    assert window.as_of == datetime(2024, 1, 1, tzinfo=UTC) + timedelta(hours=920)


def test_a_newer_window_replaces_an_older_one_and_never_the_other_way(
    online_store: str, make_tables: MakeTables
) -> None:
    older, newer = make_tables(bars=920), make_tables(bars=921)
    materialise(older)
    assert materialise(newer).kept == ()
    assert_same(read(BTC)[0], newer)
    report = materialise(older)
    assert (report.written, report.kept) == ((), (BTC, ETH))
    assert_same(read(BTC)[0], newer)


def test_a_corrected_window_of_the_same_bar_replaces_it(online_store: str, make_tables: MakeTables) -> None:
    materialise(make_tables(seed=31))
    corrected = make_tables(seed=41)
    materialise(corrected)
    assert_same(read(ETH)[0], corrected)


def test_windows_of_older_definitions_stay_readable_beside_new_ones(
    online_store: str, make_tables: MakeTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = make_tables()
    materialise(tables)
    champion = FeastWindowReader(crypto.feature_digest())
    monkeypatch.setattr(crypto, "DEFINITION_VERSION", crypto.DEFINITION_VERSION + 1)
    build_features(tables.candles, tmp_path / "new.parquet")
    with pytest.raises(FeatureServiceMissingError):
        read(BTC)
    materialise_windows(tables.candles, tmp_path / "new.parquet")
    assert_same(read(BTC)[0], tables)
    assert_same(champion.read([BTC])[0], tables)
    monkeypatch.undo()


def test_a_series_without_a_whole_window_is_skipped_and_named(
    online_store: str, make_tables: MakeTables, tmp_path: Path
) -> None:
    candles = pd.read_parquet(make_tables().candles)
    young = candles[(candles["unique_id"] == BTC) | (candles["ds"] >= candles["ds"].iloc[100])]
    young.to_parquet(tmp_path / "candles.parquet", index=False)
    build_features(tmp_path / "candles.parquet", tmp_path / "features.parquet")
    report = materialise_windows(tmp_path / "candles.parquet", tmp_path / "features.parquet")
    assert report.written == (BTC,)
    assert "100 rows" in report.skipped[ETH]
    assert read(ETH) == [None]


def test_features_of_other_candles_are_refused_and_change_nothing(online_store: str, make_tables: MakeTables) -> None:
    tables = make_tables(seed=31)
    materialise(tables)
    with pytest.raises(MaterialiseError, match="other candles"):
        materialise_windows(make_tables(seed=41).candles, tables.features)
    assert_same(read(BTC)[0], tables)


def test_the_bar_is_right_where_the_machine_skips_an_hour(
    online_store: str, make_tables: MakeTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        gap = datetime(2024, 3, 31, 2, tzinfo=UTC)
        materialise(make_tables(start=(gap - timedelta(hours=920)).strftime("%Y-%m-%d %H:%M")))
        assert read(BTC)[0].as_of == gap
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()


def test_threads_may_share_a_reader(online_store: str, make_tables: MakeTables) -> None:
    tables = make_tables()
    materialise(tables)
    reader = FeastWindowReader(crypto.feature_digest())
    wrong: list[str] = []

    def ask(unique_id: str) -> None:
        expected = tables.window(unique_id)[0]
        for _ in range(50):
            window = reader.read([unique_id])[0]
            if window is None or not np.array_equal(window.window, expected):
                wrong.append(unique_id)

    threads = [threading.Thread(target=ask, args=(unique_id,)) for unique_id in (BTC, ETH, BTC, ETH)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []

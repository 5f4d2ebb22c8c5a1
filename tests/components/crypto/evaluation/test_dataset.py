from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.crypto.dataset import Dataset, DatasetError, build_dataset, load_dataset
from components.crypto.splits import Interval
from feature_repo.crypto import FEATURE_NAMES

START = np.datetime64("2024-01-01T00:00", "us")
HOUR = np.timedelta64(3_600_000_000, "us")
ALWAYS = Interval(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
GAP_AT = 30


def small(horizon_bars: int = 4) -> Dataset:
    """Two coins of 60 bars; the second lacks bar 30. Feature 0 is the bar's number, feature 1 the coin's."""
    bars = [np.arange(60), np.delete(np.arange(60), GAP_AT)]
    series = np.concatenate([np.full(len(b), i) for i, b in enumerate(bars)]).astype(np.int32)
    number = np.concatenate(bars)
    features = np.stack([number, series], axis=1).astype(np.float32)
    close = 100.0 * np.exp(0.01 * number + series)
    shuffled = np.random.default_rng(0).permutation(len(number))
    return build_dataset(
        features[shuffled],
        series[shuffled],
        ("a", "b"),
        (START + number * HOUR)[shuffled],
        close[shuffled],
        horizon_bars=horizon_bars,
        feature_names=("number", "coin"),
    )


def test_rows_are_sorted_by_series_then_time() -> None:
    data = small()
    assert (np.diff(data.series_index) >= 0).all()
    for coin in (0, 1):
        assert (np.diff(data.ds[data.series_index == coin]) > np.timedelta64(0)).all()


def test_targets_are_cumulative_log_returns_and_missing_where_a_bar_is_missing() -> None:
    data = small()
    number, coin = data.features[:, 0], data.features[:, 1]
    for h in range(1, 5):
        target = data.targets[:, h - 1]
        reaches_over = (coin == 1) & (number < GAP_AT) & (number + h >= GAP_AT)
        known = (number + h < 60) & ~reaches_over
        np.testing.assert_allclose(target[known], 0.01 * h, rtol=1e-5)
        assert np.isnan(target[~known]).all()


def test_rows_have_a_whole_window_behind_and_all_targets_ahead() -> None:
    data = small()
    rows = data.rows(ALWAYS, 10)
    windows = data.windows(rows, 10)
    assert (np.diff(windows[:, :, 0], axis=1) == 1).all()
    assert (np.diff(windows[:, :, 1], axis=1) == 0).all()
    assert (windows[:, -1, 0] == data.features[rows, 0]).all()
    assert np.isfinite(data.targets[rows]).all()
    assert len(rows) == (60 - 9 - 4) + (30 - 9 - 4) + (29 - 9 - 4)
    assert len(data.rows(ALWAYS, 10, need_targets=False)) == (60 - 9) + (30 - 9) + (29 - 9)


def test_an_interval_bounds_the_row_and_not_its_window() -> None:
    data = small()
    from_bar_20 = Interval(datetime(2024, 1, 1, 20, tzinfo=UTC), datetime(2024, 1, 1, 22, tzinfo=UTC))
    rows = data.rows(from_bar_20, 10)
    assert data.features[rows].tolist() == [[20, 0], [21, 0], [20, 1], [21, 1]]


def test_windows_across_a_gap_are_refused() -> None:
    data = small()
    after_gap = np.flatnonzero((data.features[:, 0] == GAP_AT + 2) & (data.features[:, 1] == 1))
    with pytest.raises(DatasetError, match="fewer than 5 bars"):
        data.windows(after_gap, 5)


def test_batches_hold_the_same_windows_in_order() -> None:
    data = small()
    rows = data.rows(ALWAYS, 7)
    assert np.array_equal(np.concatenate(list(data.window_batches(rows, 7, batch_rows=11))), data.windows(rows, 7))


def test_segments_are_the_longest_stretches_without_a_gap() -> None:
    data = small()
    assert [(s.start, s.stop) for s in data.segments(ALWAYS)] == [(0, 60), (60, 90), (90, 119)]
    assert [(s.start, s.stop) for s in data.segments(ALWAYS, min_bars=30)] == [(0, 60), (60, 90)]


def write_table(path: Path, **changes: object) -> Path:
    ds = START + np.arange(50) * HOUR
    columns: dict[str, object] = {
        "unique_id": ["b"] * 25 + ["a"] * 25,
        "ds": pa.array(np.concatenate([ds[:25], ds[:25]]), pa.timestamp("us", tz="UTC")),
        "close": np.linspace(1.0, 2.0, 50),
    }
    columns |= {name: np.full(50, i, np.float32) for i, name in enumerate(FEATURE_NAMES)}
    columns |= changes
    pq.write_table(pa.table({k: v for k, v in columns.items() if v is not None}), path)
    return path


def test_a_table_is_read_in_the_order_of_the_feature_names(tmp_path: Path) -> None:
    data = load_dataset(write_table(tmp_path / "f.parquet"), horizon_bars=3)
    assert data.unique_ids == ("a", "b")
    assert data.features[0].tolist() == list(range(len(FEATURE_NAMES)))
    assert data.targets.shape == (50, 3)
    assert data.first == datetime(2024, 1, 1, tzinfo=UTC)
    assert data.last == datetime(2024, 1, 2, tzinfo=UTC)


def test_a_row_with_a_feature_that_is_not_finite_counts_as_a_gap(tmp_path: Path) -> None:
    broken = np.ones(50, np.float32)
    broken[10] = np.nan
    data = load_dataset(write_table(tmp_path / "f.parquet", macd=broken), horizon_bars=3)
    assert [s.stop - s.start for s in data.segments(ALWAYS)] == [25, 10, 14]


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="lacks rsi_14"):
        load_dataset(write_table(tmp_path / "f.parquet", rsi_14=None))


def test_a_bar_that_occurs_twice_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="of a occurs twice"):
        load_dataset(write_table(tmp_path / "f.parquet", unique_id=["a"] * 50))


def test_a_close_of_zero_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="positive"):
        load_dataset(write_table(tmp_path / "f.parquet", close=np.zeros(50)))

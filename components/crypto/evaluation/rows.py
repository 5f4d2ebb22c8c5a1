"""Which rows are scored: every origin of a held-out slice, or an even share of them, the same for every contender."""

from dataclasses import dataclass

import numpy as np

from components.crypto.dataset import Dataset, Float64Array, IntArray
from components.crypto.evaluation.contenders import EvaluationError
from components.crypto.splits import Interval
from runtime.bootstrap import time_blocks

UNBIASED_STRIDES = (1, 5, 11, 13, 17, 19, 23, 25, 29, 31, 37, 41, 43, 47)
"""Strides without a common divisor with 24 or 168, so that every hour of the week stays in the sample."""

BLOCK_HORIZONS = 3
MIN_BLOCKS = 10


@dataclass(frozen=True)
class ScoredRows:
    """Rows [n] of one slice with what scoring needs of them.

    Attributes:
        interval: The slice.
        rows: int64 [n], rows of the dataset.
        series: int [n], positions in `unique_ids`.
        ds: datetime64[us] [n].
        targets: float64 [n, H].
        naive_errors: float64 [n, H], mean |exp(y) - 1| of the row's series before the slice.
        blocks: int64 [n], the time block that each row is resampled with.
        block_bars: Length of a block.
        stride_bars: Bars between two origins.
    """

    interval: Interval
    rows: IntArray
    series: IntArray
    ds: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]]
    targets: Float64Array
    naive_errors: Float64Array
    blocks: IntArray
    block_bars: int
    stride_bars: int


def scored_rows(
    dataset: Dataset, interval: Interval, window_bars: int, *, stride_bars: int = 1, max_rows: int | None = None
) -> ScoredRows:
    """Choose the origins of `interval` with a whole window and every target.

    Args:
        dataset: Features and targets.
        interval: The slice.
        window_bars: Longest window of any contender.
        stride_bars: Bars between two origins.
        max_rows: Raise the stride, to one that keeps every hour of the week, until at most so many rows are left.

    Raises:
        EvaluationError: The stride is none, or no row is left.
    """
    if stride_bars < 1:
        raise EvaluationError(f"stride_bars must be at least 1, got {stride_bars}")
    rows = dataset.rows(interval, window_bars)
    if not len(rows):
        raise EvaluationError(
            f"no bar from {interval.start} to {interval.end} has a window of {window_bars} bars and all its targets; "
            "bring more history"
        )
    if max_rows is not None and len(rows) > max_rows * stride_bars:
        enough = (s for s in UNBIASED_STRIDES if s >= stride_bars and len(rows) <= max_rows * s)
        stride_bars = next(enough, UNBIASED_STRIDES[-1])
    ds = dataset.ds[rows]
    bar = dataset.timeframe.seconds
    rows = rows[(ds - ds.min()).astype("timedelta64[s]").astype(np.int64) // bar % stride_bars == 0]
    ds = dataset.ds[rows]
    block_bars = _block_bars(ds, bar, dataset.horizon_bars)
    series = dataset.series_index[rows].astype(np.int64)
    return ScoredRows(
        interval=interval,
        rows=rows,
        series=series,
        ds=ds,
        targets=dataset.targets[rows].astype(np.float64),
        naive_errors=_naive_errors(dataset, interval)[series],
        blocks=time_blocks(ds, block_bars * bar),
        block_bars=block_bars,
        stride_bars=stride_bars,
    )


def _block_bars(ds: np.ndarray[tuple[int, ...], np.dtype[np.datetime64]], bar_seconds: int, horizon_bars: int) -> int:
    """Three horizons, since losses outlast one; a single one where the slice is too short for ten such blocks."""
    span = int((ds.max() - ds.min()).astype("timedelta64[s]").astype(np.int64)) // bar_seconds
    return horizon_bars * BLOCK_HORIZONS if span >= MIN_BLOCKS * BLOCK_HORIZONS * horizon_bars else horizon_bars


def _naive_errors(dataset: Dataset, interval: Interval) -> Float64Array:
    """Mean |exp(y) - 1| by series and horizon over rows whose targets are known before the slice, [S, H]."""
    before = Interval(dataset.first, interval.start - dataset.horizon_bars * dataset.timeframe.delta)
    rows = dataset.rows(before)
    moves = np.abs(np.expm1(dataset.targets[rows].astype(np.float64)))
    errors = np.full((len(dataset.unique_ids), dataset.horizon_bars), moves.mean())
    for number in np.unique(dataset.series_index[rows]):
        errors[number] = moves[dataset.series_index[rows] == number].mean(axis=0)
    return np.asarray(np.maximum(errors, np.finfo(np.float64).tiny), dtype=np.float64)

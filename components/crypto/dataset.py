"""The feature table in memory: arrays, targets and gap-free windows, for training and for evaluation."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.crypto.series import Timeframe
from components.crypto.splits import EMBARGO_BARS, Interval, Split, split_by_time
from feature_repo.crypto import FEATURE_NAMES, HORIZON_BARS

Float32Array = npt.NDArray[np.float32]
Float64Array = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MAX_GATHER_BYTES = 2 << 30


class DatasetError(ValueError):
    """The feature table is not what training expects, or the rows asked for cannot be served."""


@dataclass(frozen=True)
class Dataset:
    """R rows of F features with H targets, sorted by series, then time.

    Attributes:
        features: float32 [R, F], columns in the order of `feature_names`.
        series_index: int32 [R], position of the row's series in `unique_ids`.
        unique_ids: Series identities, ascending.
        ds: datetime64[us] [R], open time of the row's bar, UTC.
        close: float64 [R].
        targets: float32 [R, H], `log(close[t+h] / close[t])` for h = 1..H; NaN where a bar up to t+h is missing.
        run_start: int64 [R], first row of the gap-free run of bars that the row belongs to.
        timeframe: Length of a bar.
        feature_names: Names of the feature columns.
    """

    features: Float32Array
    series_index: npt.NDArray[np.int32]
    unique_ids: tuple[str, ...]
    ds: npt.NDArray[np.datetime64]
    close: Float64Array
    targets: Float32Array
    run_start: IntArray
    timeframe: Timeframe = Timeframe("1h")
    feature_names: tuple[str, ...] = FEATURE_NAMES

    @property
    def horizon_bars(self) -> int:
        """Longest horizon H of the targets."""
        return int(self.targets.shape[1])

    @property
    def first(self) -> datetime:
        """Earliest open time of any series, UTC."""
        return _datetime(self.ds.min())

    @property
    def last(self) -> datetime:
        """Latest open time of any series, UTC."""
        return _datetime(self.ds.max())

    def split(self, *, embargo_bars: int = EMBARGO_BARS) -> Split:
        """The standard split of the whole table; the embargo is never shorter than the longest horizon."""
        return split_by_time(
            self.first, self.last, timeframe=self.timeframe, embargo_bars=max(embargo_bars, self.horizon_bars)
        )

    def column(self, name: str) -> int:
        """Position of a feature; raises DatasetError for one that the table lacks."""
        if name not in self.feature_names:
            raise DatasetError(f"no feature {name!r}; the table has {', '.join(self.feature_names)}")
        return self.feature_names.index(name)

    def moment(self, row: int) -> datetime:
        """Open time of a row's bar, UTC."""
        return _datetime(self.ds[row])

    def rows(self, interval: Interval, window_bars: int = 1, *, need_targets: bool = True) -> IntArray:
        """Rows of an interval that a model can be asked about, ascending.

        Args:
            interval: Bounds on the row's own open time; its window may begin before.
            window_bars: Bars, the row's included, that must stand before it without a gap.
            need_targets: Also require all H targets.
        """
        wanted = self._inside(interval) & (np.arange(len(self.ds)) - self.run_start >= window_bars - 1)
        if need_targets:
            wanted &= np.isfinite(self.targets).all(axis=1)
        return np.flatnonzero(wanted)

    def windows(self, rows: IntArray, window_bars: int) -> Float32Array:
        """The windows that end at `rows`, float32 [n, window_bars, F], oldest bar first.

        Raises:
            DatasetError: A window would cross a gap or the start of its series, or the result would be larger than
                2 GiB (use `window_batches`).
        """
        size = len(rows) * window_bars * self.features.shape[1] * self.features.itemsize
        if size > MAX_GATHER_BYTES:
            raise DatasetError(f"{len(rows)} windows of {window_bars} bars take {size} bytes; ask in batches")
        broken = rows - self.run_start[rows] < window_bars - 1
        if broken.any():
            raise DatasetError(f"row {rows[broken][0]} has fewer than {window_bars} bars without a gap before it")
        gathered: Float32Array = self.features[rows[:, None] + np.arange(1 - window_bars, 1)]
        return gathered

    def window_batches(self, rows: IntArray, window_bars: int, batch_rows: int = 2048) -> Iterator[Float32Array]:
        """`windows` in batches of at most `batch_rows`, in the order of `rows`."""
        for start in range(0, len(rows), batch_rows):
            yield self.windows(rows[start : start + batch_rows], window_bars)

    def segments(self, interval: Interval, min_bars: int = 1) -> list[slice]:
        """Longest gap-free stretches of one series inside an interval, each a slice of row numbers."""
        inside = np.flatnonzero(self._inside(interval))
        if not len(inside):
            return []
        breaks = np.flatnonzero((np.diff(inside) != 1) | (np.diff(self.run_start[inside]) != 0)) + 1
        pieces = np.split(inside, breaks)
        return [slice(int(p[0]), int(p[-1]) + 1) for p in pieces if len(p) >= min_bars]

    def _inside(self, interval: Interval) -> npt.NDArray[np.bool_]:
        inside: npt.NDArray[np.bool_] = (self.ds >= _datetime64(interval.start)) & (self.ds < _datetime64(interval.end))
        return inside


def load_dataset(features: Path, horizon_bars: int = HORIZON_BARS, *, timeframe: Timeframe | None = None) -> Dataset:
    """Read a feature table (Parquet, `docs/architecture/spine.md`) and compute its targets.

    A row with a feature that is not finite counts as a missing bar.

    Args:
        features: Path of the table.
        horizon_bars: Longest horizon H.
        timeframe: Length of a bar; one hour by default.

    Raises:
        DatasetError: A column is missing, a bar occurs twice, a close is not positive, or no row is left.
    """
    found = set(pq.read_schema(features).names)
    required = ("unique_id", "ds", "close", *FEATURE_NAMES)
    missing = [name for name in required if name not in found]
    if missing:
        raise DatasetError(f"the feature table {features.name} lacks {', '.join(missing)}; compute the features again")
    table = pq.read_table(features, columns=list(required))
    values = np.empty((table.num_rows, len(FEATURE_NAMES)), dtype=np.float32)
    for position, name in enumerate(FEATURE_NAMES):
        values[:, position] = table[name].to_numpy()
    names = table["unique_id"].cast("string")
    ids = sorted(names.unique().to_pylist())
    codes = pc.index_in(names, pa.array(ids, "string")).to_numpy()
    ds = table["ds"].cast(pa.timestamp("us", tz="UTC")).to_numpy().astype("datetime64[us]")
    return build_dataset(
        values,
        codes.astype(np.int32),
        tuple(ids),
        ds,
        table["close"].to_numpy().astype(np.float64),
        horizon_bars=horizon_bars,
        timeframe=timeframe or Timeframe("1h"),
    )


def build_dataset(
    features: Float32Array,
    series_index: npt.NDArray[np.int32],
    unique_ids: tuple[str, ...],
    ds: npt.NDArray[np.datetime64],
    close: Float64Array,
    *,
    horizon_bars: int = HORIZON_BARS,
    timeframe: Timeframe | None = None,
    feature_names: tuple[str, ...] = FEATURE_NAMES,
) -> Dataset:
    """Sort arrays of equal length R, drop rows with a feature that is not finite, and add targets and runs.

    Raises:
        DatasetError: As `load_dataset`.
    """
    bar = timeframe or Timeframe("1h")
    order = np.lexsort((ds, series_index))
    order = order[np.isfinite(features[order]).all(axis=1) & np.isfinite(close[order])]
    if not len(order):
        raise DatasetError("the feature table holds no row with finite features and close")
    series, times, prices = series_index[order], ds[order].astype("datetime64[us]"), close[order]
    if (prices <= 0).any():
        raise DatasetError(f"a close must be positive, got {prices.min()}")
    same = series[1:] == series[:-1]
    step = np.diff(times).astype("timedelta64[us]").astype(np.int64)
    if (same & (step == 0)).any():
        at = int(np.flatnonzero(same & (step == 0))[0])
        raise DatasetError(f"the bar {times[at]} of {unique_ids[series[at]]} occurs twice; remove the duplicate")
    starts = np.concatenate(([True], ~(same & (step == bar.seconds * 1_000_000))))
    run_start = np.maximum.accumulate(np.where(starts, np.arange(len(starts)), 0))
    return Dataset(
        features=features[order],
        series_index=series,
        unique_ids=unique_ids,
        ds=times,
        close=prices,
        targets=_targets(np.log(prices), run_start, horizon_bars),
        run_start=run_start,
        timeframe=bar,
        feature_names=feature_names,
    )


def _targets(log_close: Float64Array, run_start: IntArray, horizon_bars: int) -> Float32Array:
    targets = np.full((len(log_close), horizon_bars), np.nan, dtype=np.float32)
    for h in range(1, min(horizon_bars, len(log_close) - 1) + 1):
        whole = run_start[h:] == run_start[:-h]
        targets[:-h, h - 1] = np.where(whole, log_close[h:] - log_close[:-h], np.nan)
    return targets


def _datetime64(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")


def _datetime(moment: np.datetime64) -> datetime:
    microseconds = int(moment.astype("datetime64[us]").astype(np.int64))
    return datetime.fromtimestamp(microseconds / 1_000_000, tz=UTC)

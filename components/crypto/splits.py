"""Time splits whose slices cannot see one another: train, stop, calibrate and gate, an embargo between each two."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from components.crypto.series import Timeframe

SPLIT_FRACTIONS = (0.70, 0.08, 0.10, 0.12)
"""Shares of train, stop, calibrate and gate in the bars that remain after the three embargoes."""

EMBARGO_BARS = 24


class SplitError(ValueError):
    """The history cannot be split as asked."""


@dataclass(frozen=True)
class Interval:
    """Bars whose open time `ds` satisfies `start <= ds < end`; both aware, in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name, moment in (("start", self.start), ("end", self.end)):
            if moment.utcoffset() != timedelta(0):
                raise SplitError(f"an interval's {name} must be in UTC, got {moment!r}")
        if self.end < self.start:
            raise SplitError(f"an interval must not end before it starts: {self.start} to {self.end}")

    def __contains__(self, moment: object) -> bool:
        return isinstance(moment, datetime) and self.start <= moment < self.end


@dataclass(frozen=True)
class Split:
    """Four slices in time order: to fit on, to stop early on, to calibrate on, and to be judged on."""

    train: Interval
    stop: Interval
    calibrate: Interval
    gate: Interval

    def __iter__(self) -> Iterator[Interval]:
        yield from (self.train, self.stop, self.calibrate, self.gate)


def split_by_time(
    first: datetime,
    last: datetime,
    *,
    timeframe: Timeframe,
    embargo_bars: int = EMBARGO_BARS,
    fractions: tuple[float, float, float, float] = SPLIT_FRACTIONS,
) -> Split:
    """Divide the bars `first` to `last` (open times, both included) into four slices with an embargo between each two.

    Args:
        first: Open time of the first bar.
        last: Open time of the last bar; the gate slice ends with it.
        timeframe: Length of a bar.
        embargo_bars: Bars left out between slices. With an embargo of at least the longest horizon, no target of a
            slice uses a bar of the next one.
        fractions: Shares of the four slices; must sum to one.

    Raises:
        SplitError: The history is too short, or the fractions are no shares.
    """
    if len(fractions) != 4 or min(fractions) <= 0 or abs(sum(fractions) - 1.0) > 1e-9:
        raise SplitError(f"fractions must be four positive shares that sum to 1, got {fractions}")
    if embargo_bars < 0:
        raise SplitError(f"embargo_bars must not be negative, got {embargo_bars}")
    bars = int((last - first) / timeframe.delta) + 1
    usable = bars - 3 * embargo_bars
    bounds = [0, *(round(usable * share) for share in accumulate(fractions))]
    sizes = [end - start for start, end in zip(bounds, bounds[1:], strict=False)]
    if usable < 4 or min(sizes) < 1:
        raise SplitError(
            f"{max(bars, 0)} bars from {first} to {last} are too few for four slices and three embargoes of "
            f"{embargo_bars} bars; bring more history or a shorter embargo"
        )
    slices = []
    for position in range(4):
        start = first + (bounds[position] + position * embargo_bars) * timeframe.delta
        slices.append(Interval(_utc(start), _utc(start + sizes[position] * timeframe.delta)))
    return Split(*slices)


def rolling_origins(
    first: datetime,
    last: datetime,
    *,
    timeframe: Timeframe,
    origins: int = 3,
    step_bars: int | None = None,
    embargo_bars: int = EMBARGO_BARS,
    fractions: tuple[float, float, float, float] = SPLIT_FRACTIONS,
) -> tuple[Split, ...]:
    """Splits whose ends roll forward to `last`, oldest first, each with all the history before it.

    For tuning, pass a `last` that lies an embargo before the benchmark slice, so that no origin has seen it.

    Args:
        first: Open time of the first bar.
        last: Open time of the last bar that any origin may use.
        timeframe: Length of a bar.
        origins: How many splits.
        step_bars: Distance between the ends of two splits; the length of the last split's gate by default, so that
            the gates do not overlap.
        embargo_bars: As in `split_by_time`.
        fractions: As in `split_by_time`.

    Raises:
        SplitError: As `split_by_time`, for the shortest history.
    """
    if origins < 1:
        raise SplitError(f"origins must be at least 1, got {origins}")
    newest = split_by_time(first, last, timeframe=timeframe, embargo_bars=embargo_bars, fractions=fractions)
    step = timeframe.delta * step_bars if step_bars is not None else newest.gate.end - newest.gate.start
    return tuple(
        split_by_time(first, last - back * step, timeframe=timeframe, embargo_bars=embargo_bars, fractions=fractions)
        for back in reversed(range(origins))
    )


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise SplitError(f"split bounds must be aware datetimes, got {moment!r}")
    return moment.astimezone(UTC)

"""Window totals of a whole history: prefix sums and binary search over buckets, all entities in one array."""

from collections.abc import Iterable

import numpy as np

from components.fraud.cards.totals import NEVER, Integers, WindowTotals
from feature_repo.fraud import (
    AMOUNT_CAP_MINOR,
    HOUR_US,
    LABEL_DELAY_HOURS,
    LONG_WINDOWS,
    LONGEST_HOURS,
    MINUTE_US,
    SHORT_WINDOWS,
)


def history_totals(entity: Integers, occurred_us: Integers, amount_minor: Integers, label_us: Integers) -> WindowTotals:
    """Totals before each of N transactions.

    Args:
        entity: Codes from 0 upwards `[N]`, ascending.
        occurred_us: Event times `[N]`, ascending within an entity; ties stand in order of their transaction ids.
        amount_minor: Amounts `[N]`.
        label_us: When a fraud enters the windows `[N]`, `NEVER` for whatever is not known to be a fraud.
    """
    first = int(occurred_us.min()) if len(occurred_us) else 0
    amount_minor = np.minimum(amount_minor, AMOUNT_CAP_MINOR)
    hours = _Buckets(entity, occurred_us, HOUR_US, first)
    minutes = _Buckets(entity, occurred_us, MINUTE_US, first)
    own = np.arange(len(entity))
    prefixes = _prefix(amount_minor), _prefix(amount_minor * amount_minor)
    short = [minutes.after(-length) for length in SHORT_WINDOWS.values()]
    long = [hours.after(-length) for length in LONG_WINDOWS.values()]
    ripe = hours.before(-LABEL_DELAY_HOURS)
    matured = [hours.before(-LABEL_DELAY_HOURS - length) for length in LONG_WINDOWS.values()]
    return WindowTotals(
        short_count=_columns(own - start for start in short),
        short_amount=_columns(prefixes[0][own] - prefixes[0][start] for start in short),
        count=_columns(own - start for start in long),
        amount=_columns(prefixes[0][own] - prefixes[0][start] for start in long),
        squares=_columns(prefixes[1][own] - prefixes[1][start] for start in long),
        largest=_columns(range_maxima(amount_minor, start, own) for start in long),
        matured=_columns(ripe - start for start in matured),
        matured_amount=_columns(prefixes[0][ripe] - prefixes[0][start] for start in matured),
        wait_us=np.where(np.diff(entity, prepend=NEVER) == 0, np.diff(occurred_us, prepend=occurred_us[:1]), NEVER),
        **_fraud_totals(hours, entity, amount_minor, label_us),
    )


def range_maxima(values: Integers, start: Integers, stop: Integers) -> Integers:
    """Largest of `values[start:stop]` for each pair `[N]`, 0 where the range is empty; values are not negative.

    Every range is covered by two blocks whose length is a power of two.
    """
    result = np.zeros(len(start), dtype=np.int64)
    length = stop - start
    blocks, size = values, 1
    while True:
        here = np.flatnonzero((length >= size) & (length < 2 * size))
        result[here] = np.maximum(blocks[start[here]], blocks[stop[here] - size])
        if not len(length) or 2 * size > length.max():
            return result
        blocks = np.maximum(blocks[:-size], blocks[size:])
        size *= 2


class _Buckets:
    """Buckets of all entities on one axis, far enough apart that no window reaches into a neighbour."""

    def __init__(self, entity: Integers, at_us: Integers, length_us: int, first_us: int) -> None:
        reach = LONGEST_HOURS + LABEL_DELAY_HOURS + 1
        self._first = first_us // length_us
        self._bucket = at_us // length_us - self._first
        # What comes after the last row's bucket is seen by no row, and stays out of reach of the next entity's windows.
        self._unseen = int(self._bucket.max(initial=0)) + 1
        self._span = self._unseen + reach * (HOUR_US // length_us)
        self.axis = entity * self._span + self._bucket

    def place(self, entity: Integers, at_us: Integers, length_us: int) -> Integers:
        """Where moments of given entities lie on the axis."""
        return entity * self._span + np.minimum(at_us // length_us - self._first, self._unseen)

    def after(self, offset: int) -> Integers:
        """For each row, how many rows lie up to its own bucket plus the offset."""
        return np.searchsorted(self.axis, self.axis + offset, side="right")

    def before(self, offset: int) -> Integers:
        """For each row, how many rows lie before its own bucket plus the offset."""
        return np.searchsorted(self.axis, self.axis + offset, side="left")


def _fraud_totals(hours: _Buckets, entity: Integers, amount_minor: Integers, label_us: Integers) -> dict[str, Integers]:
    known = np.flatnonzero(label_us != NEVER)
    places = hours.place(entity[known], label_us[known], HOUR_US)
    order = np.argsort(places, kind="stable")
    places, amounts = places[order], _prefix(amount_minor[known][order])
    stop = np.searchsorted(places, hours.axis, side="left")
    starts = [np.searchsorted(places, hours.axis - length, side="left") for length in LONG_WINDOWS.values()]
    some = stop > starts[-1]
    padded = np.append(places, 0)
    return {
        "frauds": _columns(stop - start for start in starts),
        "fraud_amount": _columns(amounts[stop] - amounts[start] for start in starts),
        "first_fraud_hours": np.where(some, hours.axis - padded[starts[-1]], NEVER),
        "last_fraud_hours": np.where(some, hours.axis - padded[stop - 1], NEVER),
    }


def _prefix(values: Integers) -> Integers:
    """Sums of the first n values `[N + 1]`; a sum over everything may wrap, a difference over one window is exact."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(values, dtype=np.int64)])


def _columns(columns: Iterable[Integers]) -> Integers:
    return np.column_stack(list(columns))

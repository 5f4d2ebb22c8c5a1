"""What is wrong with raw pages, and the sorted, closed, aligned candles that remain of them."""

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from components.crypto.candles.port import CandlePage
from components.crypto.series import Timeframe
from runtime.moments import microseconds, moment

Int64Array = NDArray[np.int64]


@dataclass(frozen=True)
class PageFindings:
    """Candles counted by what was wrong with them.

    Attributes:
        rows: Candles received.
        duplicates: Further copies of a candle received already in this fetch, with equal values; dropped.
        conflicts: Further copies with other values; the one received last is kept.
        dropped_open: Candles whose bar had not closed by the source's clock; dropped.
        misaligned: Candles that do not open on a multiple of the timeframe; dropped.
        out_of_order: Candles that open before one received earlier, repeats aside; sorted.
    """

    rows: int = 0
    duplicates: int = 0
    conflicts: int = 0
    dropped_open: int = 0
    misaligned: int = 0
    out_of_order: int = 0

    def __add__(self, other: "PageFindings") -> "PageFindings":
        return PageFindings(**{name: getattr(self, name) + getattr(other, name) for name in vars(self)})


@dataclass
class Normaliser:
    """Cleans the pages of one fetch of one series, one after another.

    Attributes:
        timeframe: Length of a bar.
        clock: The source's clock; a bar that closes after it is still open.
    """

    timeframe: Timeframe
    clock: datetime
    findings: PageFindings = field(default_factory=PageFindings)
    _seen: CandlePage = field(default_factory=lambda: CandlePage.of([]))

    def accept(self, page: CandlePage) -> CandlePage:
        """Clean one page and count what was wrong with it.

        Returns:
            Candles sorted by open time, each once, closed and aligned, without those that an earlier page held with
            equal values.
        """
        aligned = page.opened_us % self.timeframe.microseconds == 0
        closed = page.opened_us + self.timeframe.microseconds <= microseconds(self.clock)
        kept = page.take(aligned & closed)
        unique, repeats = _last_of_each(kept)
        unique, again = self._without_seen(unique)
        dropped = PageFindings(
            rows=len(page),
            misaligned=int(np.sum(~aligned)),
            dropped_open=int(np.sum(aligned & ~closed)),
            out_of_order=self._count_out_of_order(kept.opened_us),
        )
        self.findings = self.findings + dropped + repeats + again
        self._seen = merge(self._seen, unique)
        return unique

    def _count_out_of_order(self, opened: Int64Array) -> int:
        if not len(opened):
            return 0
        start = self._seen.opened_us[-1] if len(self._seen) else opened[0]
        latest_before = np.maximum.accumulate(np.concatenate([[start], opened]))[:-1]
        late = opened < latest_before
        _, repeated = _look_up(self._seen.opened_us, opened)
        return int(np.sum(late & ~repeated & ~_is_repeat(opened)))

    def _without_seen(self, page: CandlePage) -> tuple[CandlePage, PageFindings]:
        place, known = _look_up(self._seen.opened_us, page.opened_us)
        equal = np.zeros(len(page), dtype=bool)
        equal[known] = _same(self._seen.values[place[known]], page.values[known])
        found = PageFindings(duplicates=int(np.sum(equal)), conflicts=int(np.sum(known & ~equal)))
        return page.take(~equal), found


def merge(older: CandlePage, newer: CandlePage) -> CandlePage:
    """Sorted union of two pages; where both hold a bar, the newer's values stand."""
    merged, _ = _last_of_each(CandlePage.concat([older, newer]))
    return merged


def count_revised(older: CandlePage, newer: CandlePage) -> int:
    """How many bars both sorted pages hold with different values."""
    place, known = _look_up(older.opened_us, newer.opened_us)
    return int(np.sum(~_same(older.values[place[known]], newer.values[known])))


@dataclass(frozen=True)
class Gap:
    """A run of missing bars: open times of the first and the last one, and how many."""

    first: datetime
    last: datetime
    bars: int


def find_gaps(page: CandlePage, timeframe: Timeframe) -> list[Gap]:
    """Runs of bars missing between the first and the last candle of a sorted page, in time order."""
    step = timeframe.microseconds
    at = np.flatnonzero(np.diff(page.opened_us) > step)
    return [
        Gap(moment(int(before) + step), moment(int(after) - step), (int(after) - int(before)) // step - 1)
        for before, after in zip(page.opened_us[at], page.opened_us[at + 1], strict=True)
    ]


def _last_of_each(page: CandlePage) -> tuple[CandlePage, PageFindings]:
    order = np.argsort(page.opened_us, kind="stable")
    ordered = page.take(order)
    same_bar = ordered.opened_us[1:] == ordered.opened_us[:-1]
    equal = same_bar & _same(ordered.values[1:], ordered.values[:-1])
    last = np.append(~same_bar, True)[: len(ordered)]
    found = PageFindings(duplicates=int(np.sum(equal)), conflicts=int(np.sum(same_bar & ~equal)))
    return ordered.take(last), found


def _look_up(held: Int64Array, wanted: Int64Array) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Where each wanted time stands in the sorted held ones, and whether it does."""
    place = np.searchsorted(held, wanted)
    known = np.zeros(len(wanted), dtype=bool)
    inside = place < len(held)
    known[inside] = held[place[inside]] == wanted[inside]
    return place, known


def _is_repeat(opened: Int64Array) -> NDArray[np.bool_]:
    _, first = np.unique(opened, return_index=True)
    repeat = np.ones(len(opened), dtype=bool)
    repeat[first] = False
    return repeat


def _same(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.bool_]:
    same: NDArray[np.bool_] = np.all((left == right) | (np.isnan(left) & np.isnan(right)), axis=1)
    return same

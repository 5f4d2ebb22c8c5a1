"""Every flaw of raw pages is handled and counted as what it is."""

from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.crypto.candles.port import CandlePage
from components.crypto.candles.quality import Gap, Normaliser, PageFindings, count_revised, find_gaps, merge
from components.crypto.series import Timeframe
from runtime.moments import microseconds
from tests.components.crypto.candles.wire import HOUR, START, candle

HOURLY = Timeframe("1h")
CLOCK = START + 10 * HOUR


def page(*bars: int, shift: timedelta = timedelta(0), scale: float = 1.0) -> CandlePage:
    return CandlePage.of(
        [(microseconds(START + bar * HOUR + shift), [value * scale for value in candle(bar)]) for bar in bars]
    )


def clean(*pages: CandlePage, clock: datetime = CLOCK) -> tuple[CandlePage, PageFindings]:
    normaliser = Normaliser(HOURLY, clock)
    kept = CandlePage.of([])
    for raw in pages:
        kept = merge(kept, normaliser.accept(raw))
    return kept, normaliser.findings


def bars_of(kept: CandlePage) -> list[int]:
    return [(opened - microseconds(START)) // HOURLY.microseconds for opened in kept.opened_us.tolist()]


def test_a_flawless_page_passes_unchanged() -> None:
    kept, found = clean(page(0, 1, 2))

    assert bars_of(kept) == [0, 1, 2]
    np.testing.assert_array_equal(kept.values, [candle(bar) for bar in range(3)])
    assert found == PageFindings(rows=3)


def test_a_candle_still_open_by_the_sources_clock_is_dropped() -> None:
    kept, found = clean(page(8, 9, 10, 11))

    assert bars_of(kept) == [8, 9]
    assert found == PageFindings(rows=4, dropped_open=2)


def test_a_candle_is_complete_at_the_very_moment_it_closes() -> None:
    assert bars_of(clean(page(9), clock=START + 10 * HOUR)[0]) == [9]
    assert bars_of(clean(page(9), clock=START + 10 * HOUR - timedelta(microseconds=1))[0]) == []


def test_an_identical_copy_in_the_same_page_is_a_duplicate() -> None:
    kept, found = clean(page(0, 1, 1, 2))

    assert bars_of(kept) == [0, 1, 2]
    assert found == PageFindings(rows=4, duplicates=1)


def test_an_identical_copy_in_a_later_page_is_a_duplicate() -> None:
    kept, found = clean(page(0, 1), page(1, 2))

    assert bars_of(kept) == [0, 1, 2]
    assert found == PageFindings(rows=4, duplicates=1)


def test_copies_without_a_number_are_identical_to_each_other() -> None:
    raw = page(0, 0)
    raw.values[:, 4] = np.nan

    assert clean(raw)[1] == PageFindings(rows=2, duplicates=1)


@pytest.mark.parametrize("pages", [[(1, 1.0), (1, 2.0)], [(1, 2.0), (1, 1.0), (1, 2.0)]], ids=["two", "three"])
def test_of_conflicting_copies_the_one_received_last_stands(pages: list[tuple[int, float]]) -> None:
    together = CandlePage.concat([page(bar, scale=scale) for bar, scale in pages])
    apart = [page(bar, scale=scale) for bar, scale in pages]

    for kept, found in (clean(together), clean(*apart)):
        np.testing.assert_array_equal(kept.values, [[value * 2.0 for value in candle(1)]])
        assert found == PageFindings(rows=len(pages), conflicts=len(pages) - 1)


def test_disorder_within_a_page_is_sorted() -> None:
    kept, found = clean(page(0, 3, 1, 2))

    assert bars_of(kept) == [0, 1, 2, 3]
    assert found == PageFindings(rows=4, out_of_order=2)


def test_a_page_that_comes_before_an_earlier_one_is_sorted_in() -> None:
    kept, found = clean(page(4, 5), page(0, 1))

    assert bars_of(kept) == [0, 1, 4, 5]
    assert found == PageFindings(rows=4, out_of_order=2)


@pytest.mark.parametrize("shift", [timedelta(minutes=30), timedelta(milliseconds=1), timedelta(microseconds=-1)])
def test_a_candle_off_the_grid_is_dropped(shift: timedelta) -> None:
    kept, found = clean(CandlePage.concat([page(0, 1), page(2, shift=shift), page(3)]))

    assert bars_of(kept) == [0, 1, 3]
    assert found == PageFindings(rows=4, misaligned=1)


def test_an_empty_page_is_no_error() -> None:
    assert clean(page())[1] == PageFindings()


def test_gaps_are_named_by_their_first_and_last_missing_bar() -> None:
    assert find_gaps(page(0, 1, 4, 5, 7), HOURLY) == [
        Gap(START + 2 * HOUR, START + 3 * HOUR, 2),
        Gap(START + 6 * HOUR, START + 6 * HOUR, 1),
    ]


@pytest.mark.parametrize("bars", [(), (3,), (3, 4, 5)])
def test_a_run_without_holes_has_no_gap(bars: tuple[int, ...]) -> None:
    assert find_gaps(page(*bars), HOURLY) == []


def test_revised_bars_are_those_held_by_both_with_other_values() -> None:
    newer = CandlePage.concat([page(1), page(2, scale=1.01), page(3)])

    assert count_revised(page(0, 1, 2), newer) == 1


@given(st.lists(st.integers(0, 14), max_size=40), st.integers(1, 7))
def test_whatever_the_order_and_the_paging_the_same_candles_remain_and_every_row_is_accounted_for(
    bars: list[int], page_bars: int
) -> None:
    pages = [page(*bars[start : start + page_bars]) for start in range(0, len(bars), page_bars)]

    kept, found = clean(*pages)

    assert bars_of(kept) == sorted({bar for bar in bars if bar < 10})
    assert found.rows == len(bars)
    assert found.rows - found.duplicates - found.dropped_open == len(kept)
    assert replace(found, rows=0, duplicates=0, dropped_open=0, out_of_order=0) == PageFindings()

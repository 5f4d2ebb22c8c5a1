"""The candle store and what a backfill asks for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from components.crypto.candles.backfill import Span, spans_to_fetch
from components.crypto.candles.port import CandlePage
from components.crypto.candles.store import CandleStore, CommitCounts
from components.crypto.series import Series, Timeframe
from runtime.moments import microseconds
from runtime.object_store.local import LocalObjectStore
from tests.components.crypto.candles.wire import HOUR, START, candle, history, page_of

HOURLY = Timeframe("1h")
BITCOIN = Series("BTC")


@pytest.fixture
def store(objects: LocalObjectStore) -> CandleStore:
    return CandleStore(objects, "test")


def bars(first: int, last: int) -> CandlePage:
    return CandlePage.of([(microseconds(START + bar * HOUR), candle(bar)) for bar in range(first, last)])


def test_what_is_committed_is_read_back_exactly(store: CandleStore) -> None:
    page = bars(0, 100)
    page.values[3, 4] = np.nan

    assert store.commit(BITCOIN, HOURLY, page) == CommitCounts(added=100, revised=0)

    stored = store.read(BITCOIN, HOURLY)
    np.testing.assert_array_equal(stored.opened_us, page.opened_us)
    np.testing.assert_array_equal(stored.values, page.values)


def test_an_object_holds_one_series_one_timeframe_and_one_month(store: CandleStore, objects: LocalObjectStore) -> None:
    store.commit(BITCOIN, HOURLY, bars(0, 100))

    assert list(objects.list()) == [
        "candles/test/binance/usdm-perp/BTC-USDT/1h/2024-03.parquet",
        "candles/test/binance/usdm-perp/BTC-USDT/1h/2024-04.parquet",
    ]


def test_committing_the_same_again_changes_nothing_and_writes_nothing(store: CandleStore, tmp_path: Path) -> None:
    store.commit(BITCOIN, HOURLY, bars(0, 100))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")}

    assert store.commit(BITCOIN, HOURLY, bars(20, 100)) == CommitCounts(added=0, revised=0)

    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.parquet")} == before


def test_a_revised_bar_takes_the_later_values(store: CandleStore) -> None:
    store.commit(BITCOIN, HOURLY, bars(0, 10))
    revised = bars(8, 12)
    revised.values[1, 3] += 0.5

    assert store.commit(BITCOIN, HOURLY, revised) == CommitCounts(added=2, revised=1)

    stored = store.read(BITCOIN, HOURLY)
    assert len(stored) == 12
    assert stored.values[9, 3] == candle(9)[3] + 0.5


def test_series_and_origins_are_kept_apart(store: CandleStore, objects: LocalObjectStore) -> None:
    store.commit(BITCOIN, HOURLY, bars(0, 10))

    assert len(store.read(Series("BTC", market="spot"), HOURLY)) == 0
    assert len(store.read(Series("BTC", exchange="kraken"), HOURLY)) == 0
    assert len(CandleStore(objects, "test-2").read(BITCOIN, HOURLY)) == 0


def test_pages_committed_in_any_order_give_the_same_objects(tmp_path: Path) -> None:
    one, other = LocalObjectStore(tmp_path / "one"), LocalObjectStore(tmp_path / "other")
    for start in (0, 30, 60):
        CandleStore(one, "test").commit(BITCOIN, HOURLY, bars(start, start + 30))
    for start in (60, 0, 30, 0):
        CandleStore(other, "test").commit(BITCOIN, HOURLY, bars(start, start + 30))

    assert [(name, one.get(name)) for name in one.list()] == [(name, other.get(name)) for name in other.list()]


def at(bar: int) -> datetime:
    return START + bar * HOUR


def spans(stored: CandlePage, *, until: datetime = START + 100 * HOUR) -> list[Span]:
    return spans_to_fetch(stored, HOURLY, since=START, until=until, overlap_bars=3, page_bars=5)


def test_an_empty_store_lacks_everything() -> None:
    assert spans(bars(0, 0)) == [Span(at(0), at(100))]


def test_a_backfill_resumes_from_the_last_stored_candle_with_the_overlap() -> None:
    assert spans(bars(0, 60)) == [Span(at(57), at(100))]


def test_a_store_that_is_up_to_date_is_asked_for_its_overlap_only() -> None:
    assert spans(bars(0, 100)) == [Span(at(97), at(100))]


def test_an_overlap_longer_than_the_store_starts_at_the_first_wanted_bar() -> None:
    assert spans(bars(0, 2)) == [Span(at(0), at(100))]


def test_a_gap_in_the_store_is_asked_for_again() -> None:
    stored = CandlePage.concat([bars(0, 20), bars(24, 60)])

    assert spans(stored) == [Span(at(20), at(24)), Span(at(57), at(100))]


def test_history_older_than_what_is_stored_is_asked_for() -> None:
    assert spans(bars(40, 60)) == [Span(at(0), at(40)), Span(at(57), at(100))]


def test_gaps_nearer_than_a_page_share_one_span() -> None:
    stored = CandlePage.concat([bars(0, 10), bars(11, 13), bars(14, 30), bars(31, 60)])

    assert spans(stored) == [Span(at(10), at(14)), Span(at(30), at(31)), Span(at(57), at(100))]


def test_a_gap_before_the_resume_point_joins_it() -> None:
    stored = CandlePage.concat([bars(0, 55), bars(59, 60)])

    assert spans(stored) == [Span(at(55), at(100))]


def test_candles_outside_the_wanted_range_do_not_count_as_held() -> None:
    later = page_of({START + (120 + bar) * HOUR: candle(bar) for bar in range(5)})

    assert spans(CandlePage.concat([bars(0, 60), later])) == [Span(at(57), at(100))]


def test_a_range_that_starts_between_bars_starts_at_the_next_one() -> None:
    asked = spans_to_fetch(
        bars(0, 0), HOURLY, since=START + timedelta(minutes=1), until=at(9), overlap_bars=3, page_bars=5
    )

    assert asked == [Span(at(1), at(9))]


def test_nothing_is_lacking_where_the_range_is_empty() -> None:
    assert spans(bars(0, 0), until=START) == []
    assert spans(bars(0, 0), until=datetime(2020, 1, 1, tzinfo=UTC)) == []


def test_the_months_of_a_long_history_are_read_in_order(store: CandleStore) -> None:
    store.commit(BITCOIN, HOURLY, page_of(history(24 * 100)))

    assert bool(np.all(np.diff(store.read(BITCOIN, HOURLY).opened_us) == HOURLY.microseconds))

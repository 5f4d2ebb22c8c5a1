from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.crypto.series import Timeframe
from components.crypto.splits import Interval, SplitError, rolling_origins, split_by_time

HOUR = Timeframe("1h")
FIRST = datetime(2024, 1, 1, tzinfo=UTC)


def at(bars: int) -> datetime:
    return FIRST + bars * HOUR.delta


@settings(max_examples=200, deadline=None)
@given(bars=st.integers(300, 40_000), horizon=st.integers(1, 48), extra=st.integers(0, 24))
def test_no_target_of_a_slice_reaches_into_the_next_one(bars: int, horizon: int, extra: int) -> None:
    split = split_by_time(FIRST, at(bars - 1), timeframe=HOUR, embargo_bars=horizon + extra)
    slices = list(split)
    for earlier, later in zip(slices, slices[1:], strict=False):
        last_row = earlier.end - HOUR.delta
        assert last_row + horizon * HOUR.delta < later.start
    assert split.train.start == FIRST
    assert split.gate.end == at(bars)


def test_slices_hold_their_shares_of_what_the_embargoes_leave() -> None:
    split = split_by_time(FIRST, at(1071), timeframe=HOUR, embargo_bars=24)
    lengths = [(s.end - s.start) / HOUR.delta for s in split]
    assert lengths == [700, 80, 100, 120]


def test_a_history_too_short_for_four_slices_is_refused_with_its_length() -> None:
    with pytest.raises(SplitError, match="73 bars"):
        split_by_time(FIRST, at(72), timeframe=HOUR, embargo_bars=24)


@pytest.mark.parametrize("fractions", [(0.5, 0.5, 0.5, 0.5), (1.0, 0.0, 0.0, 0.0), (0.9, 0.2, -0.2, 0.1)])
def test_fractions_that_are_no_shares_are_refused(fractions: tuple[float, float, float, float]) -> None:
    with pytest.raises(SplitError, match="fractions"):
        split_by_time(FIRST, at(5000), timeframe=HOUR, fractions=fractions)


def test_rolling_origins_advance_to_the_last_bar_with_gates_that_do_not_overlap() -> None:
    folds = rolling_origins(FIRST, at(9999), timeframe=HOUR, origins=3)
    assert [fold.train.start for fold in folds] == [FIRST] * 3
    assert folds[-1].gate.end == at(10_000)
    for earlier, later in zip(folds, folds[1:], strict=False):
        assert earlier.gate.end <= later.gate.start


def test_rolling_origins_that_end_an_embargo_early_never_touch_the_benchmark_slice() -> None:
    benchmark = split_by_time(FIRST, at(9999), timeframe=HOUR).gate
    folds = rolling_origins(FIRST, benchmark.start - 25 * HOUR.delta, timeframe=HOUR, origins=4)
    assert all(s.end + 24 * HOUR.delta <= benchmark.start for fold in folds for s in fold)


def test_an_interval_is_half_open_and_knows_only_utc() -> None:
    interval = Interval(at(0), at(2))
    assert at(0) in interval
    assert at(2) not in interval
    with pytest.raises(SplitError, match="UTC"):
        Interval(datetime(2024, 1, 1), at(1))  # noqa: DTZ001
    with pytest.raises(SplitError, match="before it starts"):
        Interval(at(1), at(0))


def test_bounds_in_another_zone_mean_the_same_moments() -> None:
    from datetime import timezone

    berlin = timezone(timedelta(hours=1))
    assert split_by_time(FIRST.astimezone(berlin), at(4999).astimezone(berlin), timeframe=HOUR) == split_by_time(
        FIRST, at(4999), timeframe=HOUR
    )

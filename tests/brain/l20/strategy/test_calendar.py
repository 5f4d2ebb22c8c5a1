from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brain.l20.strategy.calendar import Calendar

MONDAY = datetime(2027, 3, 1, 9, tzinfo=UTC)
CALENDARS = st.builds(Calendar, st.integers(1, 24), st.integers(1, 7))
MOMENTS = st.integers(0, 4 * 365 * 24 * 3600).map(lambda seconds: MONDAY + timedelta(seconds=seconds))


def test_thirty_days_from_a_monday_hold_22_days_of_work() -> None:
    assert Calendar().hours_between(MONDAY, MONDAY + timedelta(days=30)) == 22 * 8


def test_work_begins_at_the_next_hour_of_work() -> None:
    friday_evening = datetime(2027, 3, 5, 17, 30, tzinfo=UTC)
    assert Calendar().next_hour(friday_evening) == datetime(2027, 3, 8, 9, tzinfo=UTC)


def test_what_ends_with_a_day_does_not_end_with_the_next_morning() -> None:
    calendar = Calendar()
    assert calendar.moment(MONDAY, 8, ending=True) == datetime(2027, 3, 1, 17, tzinfo=UTC)
    assert calendar.moment(MONDAY, 8) == datetime(2027, 3, 2, 9, tzinfo=UTC)
    assert calendar.moment(MONDAY, 40, ending=True) == datetime(2027, 3, 5, 17, tzinfo=UTC)
    assert calendar.moment(MONDAY, 40) == datetime(2027, 3, 8, 9, tzinfo=UTC)


def test_round_the_clock_hours_are_hours() -> None:
    assert Calendar(24, 7).moment(MONDAY, 30.5) == MONDAY + timedelta(hours=30.5)


@given(CALENDARS, MOMENTS, st.integers(0, 2000))
def test_hours_come_back_from_their_moments(calendar: Calendar, moment: datetime, hours: int) -> None:
    start = calendar.next_hour(moment)
    assert calendar.hours_between(start, calendar.moment(start, hours, ending=True)) == hours
    assert calendar.hours_between(start, calendar.moment(start, hours)) == hours
    assert calendar.moment(start, hours, ending=True) <= calendar.moment(start, hours)


def test_no_hours_are_no_calendar() -> None:
    with pytest.raises(ValueError, match="1 to 24"):
        Calendar(0, 5)

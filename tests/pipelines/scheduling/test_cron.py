from datetime import UTC, datetime

import pytest

from pipelines.scheduling import Cron, CronError


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("cron", "now", "then"),
    [
        ("1 * * * *", "2026-11-22T10:00:59", "2026-11-22T10:01:00"),
        ("1 * * * *", "2026-11-22T10:01:00", "2026-11-22T11:01:00"),
        ("*/20 * * * *", "2026-11-22T10:41:00", "2026-11-22T11:00:00"),
        ("0 3 * * 0", "2026-11-22T03:00:00", "2026-11-29T03:00:00"),
        ("30 9-17/4 * * 1-5", "2026-11-20T18:00:00", "2026-11-23T09:30:00"),
        ("0 0 1,15 * *", "2026-12-15T00:00:00", "2027-01-01T00:00:00"),
        ("0 0 29 2 *", "2026-11-22T00:00:00", "2028-02-29T00:00:00"),
        ("0 0 13 * 5", "2026-11-22T00:00:00", "2026-11-27T00:00:00"),
    ],
)
def test_the_next_tick_is_the_first_matching_minute_later_than_now(cron: str, now: str, then: str) -> None:
    assert Cron(cron).next_after(at(now)) == at(then)


@pytest.mark.parametrize(
    "cron", ["* * * *", "60 * * * *", "x * * * *", "5-1 * * * *", "*/0 * * * *", "0 0 * * 7", "1,, * * * *"]
)
def test_a_text_that_is_no_schedule_is_refused(cron: str) -> None:
    with pytest.raises(CronError, match="schedule"):
        Cron(cron)


def test_a_day_that_never_comes_is_refused() -> None:
    with pytest.raises(CronError, match="no day"):
        Cron("0 0 30 2 *").next_after(at("2026-11-22T00:00:00"))

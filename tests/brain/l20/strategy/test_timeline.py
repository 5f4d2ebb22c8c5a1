from datetime import timedelta

import pytest

from brain.l20.strategy.timeline import read_timeline


@pytest.mark.parametrize(
    ("text", "days"),
    [
        ("30 days", 30),
        ("30 Days", 30),
        ("1 day", 1),
        ("6 weeks", 42),
        ("2 months", 60),
        ("a quarter", 90),
        ("one year", 365),
        ("1.5 weeks", 10.5),
        ("2 weeks and 3 days", 17),
        ("2 weeks, 3 days", 17),
        ("within 10 days", 10),
        ("30-day", 30),
        ("48 hours", 2),
        ("P30D", 30),
        ("P6W", 42),
        ("P1M2D", 32),
        ("PT36H", 1.5),
        ("p1y", 365),
    ],
)
def test_words_and_iso_8601_are_read(text: str, days: float) -> None:
    assert read_timeline(text) == timedelta(days=days)


@pytest.mark.parametrize(
    "text", ["", "soon", "30", "days", "P", "PT", "3 fortnights", "-3 days", "30 days 4", "१ day", "x weeks"]
)
def test_what_is_no_duration_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="'30 days'"):
        read_timeline(text)


@pytest.mark.parametrize("text", ["0 days", "P0D", "6 years", "99999 weeks"])
def test_nothing_and_more_than_five_years_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="more than nothing"):
        read_timeline(text)

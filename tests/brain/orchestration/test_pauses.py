"""Pauses between calls of one task."""

import random

import pytest

from brain.orchestration.pauses import pause_seconds
from brain.orchestration.request import Retries
from runtime.problems import Problem

RETRIES = Retries(max_attempts=10, backoff_seconds=2.0, factor=3.0, max_backoff_seconds=30.0)


def asked(seconds: str | None = None) -> Problem:
    return Problem(503, headers={} if seconds is None else {"Retry-After": seconds})


@pytest.mark.parametrize(
    ("tries", "told", "bounds"),
    [
        (1, None, (0, 2)),
        (2, None, (0, 6)),
        (3, None, (0, 18)),
        (4, None, (0, 30)),
        (9, None, (0, 30)),
        (2, "4", (4, 6)),
        (1, "7", (7, 7)),
        (9, "600", (30, 30)),
        (1, "Wed, 21 Oct 2026 07:28:00 GMT", (0, 2)),
    ],
)
def test_a_pause_is_drawn_between_what_was_asked_for_and_a_bound_that_grows(
    tries: int, told: str | None, bounds: tuple[float, float]
) -> None:
    drawn: list[tuple[float, float]] = []
    pause_seconds(RETRIES, tries, asked(told), lambda low, high: drawn.append((low, high)) or low)
    assert drawn == [bounds]


def test_pauses_spread_over_all_that_is_allowed_and_repeat_under_a_seed() -> None:
    def pauses(seed: int) -> list[float]:
        draw = random.Random(seed).uniform
        return [pause_seconds(RETRIES, 9, asked(), draw) for _ in range(200)]

    assert pauses(7) == pauses(7) != pauses(8)
    assert 0 <= min(pauses(7)) < 1 and 29 < max(pauses(7)) <= 30
    assert {int(pause // 10) for pause in pauses(7)} >= {0, 1, 2}


def test_no_backoff_is_no_pause() -> None:
    assert pause_seconds(Retries(backoff_seconds=0), 3, asked(), random.Random(7).uniform) == 0

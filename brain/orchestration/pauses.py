"""Pauses between calls of one task."""

from collections.abc import Callable

from brain.orchestration.request import Retries
from runtime.problems import Problem

Draw = Callable[[float, float], float]
"""Draws a number between two, as `random.uniform` does."""


def pause_seconds(retries: Retries, tries: int, problem: Problem, draw: Draw) -> float:
    """Seconds before the next call: drawn, so that calls that failed together do not all come again together.

    It is never shorter than who was called asked for, nor longer than that or a bound that grows by a factor, whichever
    is more; the longest pause bounds both.

    Args:
        retries: What the caller wants.
        tries: Calls so far, at least 1.
        problem: How the last ended; its `Retry-After` counts where it is in seconds.
        draw: Draws the pause between its bounds.
    """
    longest = min(retries.backoff_seconds * retries.factor ** (tries - 1), retries.max_backoff_seconds)
    told = next((text for name, text in problem.headers.items() if name.lower() == "retry-after"), "")
    shortest = min(float(told), retries.max_backoff_seconds) if told.isdecimal() else 0.0
    return draw(shortest, max(shortest, longest))

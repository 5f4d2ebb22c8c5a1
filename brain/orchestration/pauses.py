"""Pauses between calls of one task."""

from brain.orchestration.request import Retries
from runtime.problems import Problem


def pause_seconds(retries: Retries, tries: int, problem: Problem) -> float:
    """Seconds before the next call: growing by a factor up to a bound, never shorter than who was called asked for.

    Args:
        retries: What the caller wants.
        tries: Calls so far, at least 1.
        problem: How the last ended; its `Retry-After` counts where it is in seconds.
    """
    pause = min(retries.backoff_seconds * retries.factor ** (tries - 1), retries.max_backoff_seconds)
    asked = next((text for name, text in problem.headers.items() if name.lower() == "retry-after"), "")
    return max(pause, min(float(asked), retries.max_backoff_seconds)) if asked.isdecimal() else pause

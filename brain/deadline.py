"""Absolute deadlines: fixed when a request is accepted, carried through retries and passed upstream."""

import math
import time
from dataclasses import dataclass

from runtime.problems import Problem

TIMEOUT_HEADER = "X-Timeout-Seconds"
DEADLINE_HEADER = "X-Deadline"


@dataclass(frozen=True)
class Deadline:
    """A moment by which an answer must be out; `at` is Unix seconds."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> "Deadline":
        """A deadline that many seconds from now."""
        return cls(time.time() + seconds)

    @property
    def remaining_seconds(self) -> float:
        """Seconds left; never negative."""
        return max(0.0, self.at - time.time())

    @property
    def header(self) -> str:
        """The value of `X-Deadline`."""
        return f"{self.at:.3f}"


def requested_timeout(value: str | None, longest_seconds: float) -> float:
    """Seconds that a request may take: what the caller asks for, never more than `longest_seconds`.

    Raises:
        Problem: 400 where the header is not a positive number.
    """
    if value is None:
        return longest_seconds
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        detail = f"{TIMEOUT_HEADER} must be a positive number of seconds, received {value[:40]!r}"
        raise Problem(400, detail=detail)
    return min(seconds, longest_seconds)

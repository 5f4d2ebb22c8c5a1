"""Time as a test has it."""

from datetime import UTC, datetime

from runtime.moments import moment

START_US = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 1_000_000


class Clock:
    """A clock that a test moves: microseconds since 1970, from 1 March 2026."""

    def __init__(self, look_us: int = 0) -> None:
        """A clock that goes on by `look_us` with every look at it."""
        self.now_us = START_US
        self._look_us = look_us

    def __call__(self) -> int:
        self.now_us += self._look_us
        return self.now_us

    @property
    def now(self) -> datetime:
        """Where it stands, without a look at it."""
        return moment(self.now_us)

    def advance(self, seconds: float) -> None:
        self.now_us += round(seconds * 1_000_000)

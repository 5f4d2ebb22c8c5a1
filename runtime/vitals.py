"""How a process that turns in a loop is: told by the loop, read by its probes."""

import time

from prometheus_client import CollectorRegistry, Counter

Answer = tuple[int, dict[str, object]]
"""Status and JSON document of a probe's answer."""


class LoopVitals:
    """What a loop tells of itself; it starts alive and not ready.

    Args:
        stuck_after_seconds: Silence of the loop from which the process counts as stuck.
        at_first: Why it is not ready before its first turn.
        failures: Counts turns that failed.
        registry: Where its metrics live.
    """

    def __init__(
        self, stuck_after_seconds: float, at_first: str, failures: Counter, registry: CollectorRegistry
    ) -> None:
        self.registry = registry
        self._stuck_after_seconds = stuck_after_seconds
        self._turned_at = time.monotonic()
        self._failure = at_first
        self._failures = failures

    def turned(self) -> None:
        """A turn of the loop went well."""
        self._turned_at, self._failure = time.monotonic(), ""

    def failed(self, reason: str) -> None:
        """A turn failed and will be tried again."""
        self._turned_at, self._failure = time.monotonic(), reason
        self._failures.inc()

    @property
    def alive(self) -> bool:
        """Whether the loop still turns, well or not."""
        return time.monotonic() - self._turned_at < self._stuck_after_seconds

    @property
    def reason(self) -> str:
        """Why its work is not done now; empty while it is."""
        return self._failure if self.alive else f"the loop has been silent for over {self._stuck_after_seconds:g} s"

    def health(self) -> Answer:
        """What `/health` answers: 503 where the loop is stuck."""
        return (200, {"status": "alive"}) if self.alive else (503, {"status": "stuck"})

    def ready(self) -> Answer:
        """What `/ready` answers: 503 with the reason where the work is not done now."""
        reason = self.reason
        return (503, {"ready": False, "reason": reason}) if reason else (200, {"ready": True})

"""How the worker is, for probes and metrics."""

import time

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from runtime.metrics import LATENCY_BUCKETS_SECONDS


class Vitals:
    """What the loop tells of itself.

    Args:
        stuck_after_seconds: Silence from which it counts as stuck.
        registry: Where the metrics live.
    """

    def __init__(self, stuck_after_seconds: float, registry: CollectorRegistry) -> None:
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self.registry = registry
        self.draining = False
        self._stuck_after_seconds = stuck_after_seconds
        self._turned_at = time.monotonic()
        self._failure = "the run store has not been opened yet"
        self.held = Gauge("brain_worker_runs_held", "Runs that this worker holds.", registry=registry)
        self.taken = Counter("brain_worker_runs_taken", "Runs begun or adopted.", ("kind", "how"), registry=registry)
        self.ended = Counter("brain_worker_runs_ended", "Runs ended.", ("kind", "state"), registry=registry)
        self.given_back = Counter("brain_worker_runs_given_back", "Runs given back unfinished.", registry=registry)
        self.lost = Counter("brain_worker_leases_lost", "Runs that another worker may have taken.", registry=registry)
        self._calls = Histogram(
            "brain_worker_call_seconds",
            "Seconds of calls of capabilities, each try by itself.",
            ("type", "outcome"),
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=registry,
        )
        self._failures = Counter("brain_worker_failures", "Turns of the loop that failed.", registry=registry)

    def called(self, type_: str, outcome: str, seconds: float) -> None:
        """A capability was called; the outcome is `ok` or the status of its problem."""
        self._calls.labels(type_, outcome).observe(seconds)

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
        """Why no run is taken now; empty while they are."""
        if not self.alive:
            return f"the loop has been silent for over {self._stuck_after_seconds:g} s"
        return self._failure or ("the worker drains" if self.draining else "")

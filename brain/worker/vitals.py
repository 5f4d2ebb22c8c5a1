"""How the worker is, for probes and metrics."""

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
from runtime.vitals import LoopVitals


class Vitals(LoopVitals):
    """What the loop tells of itself.

    Args:
        stuck_after_seconds: Silence from which it counts as stuck.
        registry: Where the metrics live.
    """

    def __init__(self, stuck_after_seconds: float, registry: CollectorRegistry) -> None:
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        failures = Counter("brain_worker_failures", "Turns of the loop that failed.", registry=registry)
        super().__init__(stuck_after_seconds, "the run store has not been opened yet", failures, registry)
        self.draining = False
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

    def called(self, type_: str, outcome: str, seconds: float) -> None:
        """A capability was called; the outcome is `ok` or the status of its problem."""
        self._calls.labels(type_, outcome).observe(seconds)

    @property
    def reason(self) -> str:
        """Why no run is taken now; empty while they are."""
        return super().reason or ("the worker drains" if self.draining else "")

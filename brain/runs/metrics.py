"""Runs in Prometheus' words, read from the store whenever they are asked for.

What is counted in the store is the same on every replica: take the maximum over them, not the sum.
"""

from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Gauge, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from brain.runs.desk import RunDesk
from brain.runs.port import Counts, RunStore
from runtime.problems import Problem


class RunMetrics(Collector):
    """Runs by kind and state, the age of the oldest that waits, and the workers that live.

    Args:
        desk: Whose store is asked, in the thread that collects.
    """

    def __init__(self, desk: RunDesk) -> None:
        self._desk = desk

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not open the store."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The figures as they are now; only `brain_run_store_up` while the store is away."""
        try:
            counts, living = self._desk.ask(_look)
        except Problem:
            yield GaugeMetricFamily("brain_run_store_up", "Whether the run store answers.", value=0)
            return
        yield GaugeMetricFamily("brain_run_store_up", "Whether the run store answers.", value=1)
        runs = GaugeMetricFamily("brain_runs", "Runs in the store.", labels=("kind", "state"))
        by: Counter[tuple[str, str]] = Counter()
        for (kind, state, _), number in counts.runs.items():
            by[kind, state] += number
        for labels, number in sorted(by.items()):
            runs.add_metric(labels, number)
        yield runs
        yield GaugeMetricFamily(
            "brain_runs_oldest_queued_seconds",
            "For how long the oldest queued run has waited; 0 where none waits.",
            value=counts.oldest_queued_seconds or 0.0,
        )
        yield GaugeMetricFamily("brain_run_workers", "Workers seen lately.", value=living)


def install(registry: CollectorRegistry, desk: RunDesk, streams: Callable[[], int]) -> None:
    """Add the metrics of runs to a gateway's."""
    registry.register(RunMetrics(desk))
    open_streams = Gauge("brain_run_streams", "Streams of events of runs that are open here.", registry=registry)
    open_streams.set_function(streams)
    waits = Gauge("brain_run_waits", "Requests that wait here for the end of a run.", registry=registry)
    waits.set_function(lambda: desk.waits)


def _look(store: RunStore) -> tuple[Counts, int]:
    return store.counts(), sum(worker.lives for worker in store.seen_workers())

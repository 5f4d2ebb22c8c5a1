"""The figures in Prometheus' words.

They are read from the store and the same on every replica: take the maximum over them, not the sum.
"""

import threading
import time
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from brain.l20.analytics.figures import Figures, Quantiles, look
from brain.l20.analytics.settings import AnalyticsSettings
from brain.runs.desk import RunDesk
from runtime.problems import Problem


class WorkGauges(Collector):
    """Queue, latencies, success, estimates and workers; nothing while the store is away.

    Args:
        desk: Whose store is asked, in the thread that collects.
        settings: Window, and for how long a look is good.
    """

    def __init__(self, desk: RunDesk, settings: AnalyticsSettings) -> None:
        self._desk = desk
        self._settings = settings
        self._looking = threading.Lock()
        self._seen: tuple[float, Figures] | None = None

    def describe(self) -> Iterable[Metric]:
        """Nothing: registering must not open the store."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """The figures as they are now or were a moment ago."""
        try:
            figures = self._figures()
        except Problem:
            return
        yield from metrics(figures)

    def _figures(self) -> Figures:
        settings = self._settings
        with self._looking:
            now = time.monotonic()
            if self._seen is None or now - self._seen[0] >= settings.gauges_cache_seconds:
                window, rows, least = settings.gauges_window_seconds, settings.most_rows, settings.least_observed
                self._seen = now, self._desk.ask(lambda store: look(store, window, rows, least))
            return self._seen[1]


def install(registry: CollectorRegistry, desk: RunDesk, settings: AnalyticsSettings) -> None:
    """Add the gauges to a gateway's metrics."""
    registry.register(WorkGauges(desk, settings))


def metrics(figures: Figures) -> Iterable[Metric]:
    """Every gauge of the figures."""
    yield _gauge(
        "brain_queue_depth", "Queued runs.", "priority", {name: one.depth for name, one in figures.queue.items()}
    )
    yield _gauge(
        "brain_queue_oldest_seconds",
        "For how long the oldest queued run has waited; 0 where none waits.",
        "priority",
        {name: one.oldest_seconds or 0.0 for name, one in figures.queue.items()},
    )
    yield _quantiles("brain_run_wait_seconds", "Wait of runs before they began, last hour.", "kind", figures.waits)
    yield _quantiles("brain_run_seconds", "Seconds of runs that began, last hour.", "kind", figures.run_seconds)
    yield _quantiles("brain_task_seconds", "Seconds of calls, last hour.", "type", figures.call_seconds)
    rates = {name: one.rate for name, one in figures.calls.items()}
    yield _gauge("brain_task_success_ratio", "Calls that succeeded of those that did or failed.", "type", rates)
    ratios = {name: one.ratio for name, one in figures.estimates.items()}
    yield _gauge("brain_task_estimate_ratio", "Median seconds of calls over their estimate.", "type", ratios)
    yield GaugeMetricFamily("brain_worker_places", "Runs that the workers can hold.", value=figures.workers.places)
    yield GaugeMetricFamily("brain_worker_held", "Runs that they hold.", value=figures.workers.held)


def _gauge(name: str, words: str, label: str, values: Mapping[str, float | None]) -> Metric:
    family = GaugeMetricFamily(name, words, labels=(label,))
    for key, value in values.items():
        if value is not None:
            family.add_metric((key,), value)
    return family


def _quantiles(name: str, words: str, label: str, values: Mapping[str, Quantiles]) -> Metric:
    family = GaugeMetricFamily(name, f"{words} Those that did not end well are censored.", labels=(label, "quantile"))
    for key, found in values.items():
        for quantile, seconds in found.seconds.items():
            if seconds is not None:
                family.add_metric((key, quantile), seconds)
    return family

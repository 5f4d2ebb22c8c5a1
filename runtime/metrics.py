"""Prometheus metrics that every HTTP process keeps, under the same names."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client import REGISTRY as DEFAULT_REGISTRY

LATENCY_BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)


class HttpMetrics:
    """Requests by method, route template and status; never by raw path, which callers could make unbounded.

    Args:
        service: Name of the process, a label of every sample.
        registry: Where the metrics live; by default the process's own.
    """

    def __init__(self, service: str, registry: CollectorRegistry = DEFAULT_REGISTRY) -> None:
        self._service = service
        self._requests = Counter(
            "aio_http_requests", "HTTP requests answered.", ("service", "method", "route", "status"), registry=registry
        )
        self._seconds = Histogram(
            "aio_http_request_seconds",
            "Seconds from request to answer.",
            ("service", "method", "route"),
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=registry,
        )
        self._in_flight = Gauge(
            "aio_http_requests_in_flight", "HTTP requests being answered.", ("service",), registry=registry
        )

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request."""
        self._requests.labels(self._service, method, route, str(status)).inc()
        self._seconds.labels(self._service, method, route).observe(seconds)

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count a request as being answered while the block runs."""
        gauge = self._in_flight.labels(self._service)
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()


def build_info(service: str, *, version: str, revision: str, registry: CollectorRegistry = DEFAULT_REGISTRY) -> None:
    """Publish which build runs, as the labels of a gauge that is always 1."""
    Gauge("aio_build_info", "Which build runs.", ("service", "version", "revision"), registry=registry).labels(
        service, version, revision
    ).set(1)


@contextmanager
def timed(histogram: Histogram) -> Iterator[None]:
    """Observe the seconds that a block takes, also when it raises."""
    begun = time.perf_counter()
    try:
        yield
    finally:
        histogram.observe(time.perf_counter() - begun)


def exposition(registry: CollectorRegistry = DEFAULT_REGISTRY) -> tuple[bytes, str]:
    """What `/metrics` answers: body and content type."""
    return generate_latest(registry), CONTENT_TYPE_LATEST

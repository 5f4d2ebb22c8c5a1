"""What a predictor tells Prometheus, beside KServe's own histograms."""

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from runtime.metrics import LATENCY_BUCKETS_SECONDS
from serving.tensors import Health, Predictor

BATCH_BUCKETS_ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class MetricFamilies:
    """The counters and gauges that every model of a process shares, each labelled by model."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.requests = Counter(
            "predictor_requests", "Predictions answered.", ("model", "protocol", "status"), registry=registry
        )
        self.seconds = Histogram(
            "predictor_request_seconds",
            "Seconds from request to answer.",
            ("model", "protocol"),
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=registry,
        )
        self.batch_rows = Histogram(
            "predictor_batch_rows", "Rows in a model call.", ("model",), buckets=BATCH_BUCKETS_ROWS, registry=registry
        )
        self.waiting = Gauge("predictor_waiting_rows", "Rows that wait for the model.", ("model",), registry=registry)
        self.info = Gauge(
            "predictor_model_info",
            "Versions as labels: 1 for the one served, 0 for those before.",
            ("model", "version", "network", "feature_digest"),
            registry=registry,
        )
        self.reloads = Counter(
            "predictor_reloads", "Tries to take up another version.", ("model", "outcome"), registry=registry
        )
        self.registry_failures = Counter(
            "predictor_registry_failures", "Looks at the registry that failed.", ("model",), registry=registry
        )
        self.feature_age = Gauge(
            "predictor_feature_age_seconds",
            "Age of the newest complete bar, by event time.",
            ("model",),
            registry=registry,
        )
        self.ready = Gauge("predictor_ready", "1 while the model can answer.", ("model",), registry=registry)


class PredictorMetrics:
    """What one served model counts.

    Args:
        model_name: The label of every sample.
        families: Shared by the models of a process; a process or a test of one model may leave it out.
    """

    def __init__(self, model_name: str, families: MetricFamilies | CollectorRegistry = REGISTRY) -> None:
        shared = families if isinstance(families, MetricFamilies) else MetricFamilies(families)
        self._families, self._model_name = shared, model_name
        self._batch_rows = shared.batch_rows.labels(model_name)
        self._waiting = shared.waiting.labels(model_name)
        self._registry_failures = shared.registry_failures.labels(model_name)
        self._ready = shared.ready.labels(model_name)
        self._served: Gauge | None = None
        self._by_outcome: dict[tuple[str, int], Counter] = {}
        self._by_protocol: dict[str, Histogram] = {}

    def answered(self, protocol: str, status: int, seconds: float) -> None:
        """Count one answered request; `protocol` is `v1`, `v2`, `v2_raw` or `grpc`."""
        counter = self._by_outcome.get((protocol, status))
        if counter is None:
            counter = self._families.requests.labels(self._model_name, protocol, str(status))
            self._by_outcome[protocol, status] = counter
        histogram = self._by_protocol.get(protocol)
        if histogram is None:
            histogram = self._by_protocol[protocol] = self._families.seconds.labels(self._model_name, protocol)
        counter.inc()
        histogram.observe(seconds)

    def batch(self, rows: int) -> None:
        """Count one model call."""
        self._batch_rows.observe(rows)

    def reload(self, outcome: str) -> None:
        """Count a try to take up a version; `outcome` is `served` or `refused`."""
        self._families.reloads.labels(self._model_name, outcome).inc()

    def registry_failed(self) -> None:
        """Count a look at the registry that failed."""
        self._registry_failures.inc()

    def serving(self, predictor: Predictor) -> None:
        """Publish which version is served."""
        if self._served is not None:
            self._served.set(0)
        self._served = self._families.info.labels(
            self._model_name,
            predictor.version,
            predictor.parameters.get("network", ""),
            predictor.parameters.get("feature_digest", ""),
        )
        self._served.set(1)

    def state(self, *, ready: bool, health: Health, waiting_rows: int) -> None:
        """Publish what `/ready` says."""
        self._ready.set(int(ready))
        self._waiting.set(waiting_rows)
        age = health.details.get("age_seconds")
        if isinstance(age, int | float):
            self._families.feature_age.labels(self._model_name).set(age)

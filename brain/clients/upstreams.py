"""Clients of the processes behind the gateway, from its settings; the worker asks the same ones."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry, Histogram

from brain.clients.breaker import Breaker
from brain.clients.http import HttpClient
from brain.clients.kserve import KServeClient
from brain.clients.upstream import Upstream
from brain.crypto.predictor import CryptoPredictor
from brain.settings import BrainSettings
from components.crypto.series import Timeframe
from runtime.metrics import LATENCY_BUCKETS_SECONDS


class Upstreams:
    """Makes clients that share connections and count their calls; nothing is opened before the first call.

    Args:
        settings: Addresses, tries and keys.
        http: The pooled client.
        registry: Where the seconds of calls are counted.
    """

    def __init__(self, settings: BrainSettings, http: HttpClient, registry: CollectorRegistry) -> None:
        self._settings = settings
        self._http = http
        self._seconds = Histogram(
            "brain_upstream_seconds",
            "Seconds of calls to the processes behind the gateway, retries included.",
            ("service", "outcome"),
            buckets=LATENCY_BUCKETS_SECONDS,
            registry=registry,
        )

    def open(self, name: str, url: str, api_key: str = "") -> Upstream:
        """A service's client."""
        return Upstream(
            name,
            url,
            self._http,
            attempts=self._settings.upstream_attempts,
            breaker=Breaker(self._settings.breaker_failures, self._settings.breaker_open_seconds),
            api_key=api_key,
            observe=lambda service, outcome, taken: self._seconds.labels(service, outcome).observe(taken),
        )

    def guarded(self, name: str, url: str) -> Upstream:
        """The client of a service that asks for the predictors' key."""
        return self.open(name, url, self._settings.predictor_api_key.get_secret_value())

    def crypto_predictors(self) -> Mapping[str, CryptoPredictor]:
        """By timeframe."""
        return {name: self._crypto(name, str(url)) for name, url in self._settings.crypto_predictors.items()}

    def _crypto(self, name: str, url: str) -> CryptoPredictor:
        return CryptoPredictor(Timeframe(name), KServeClient(self.guarded(f"the crypto predictor ({name})", url)))

"""The worker's own parts: whom its handlers ask.

Several processes may stand on one decision log: every commit takes the place of the log's one writer and reads what it
depends on within it. Alerts that a worker raises become deliveries in the log with their decision, and the couriers of
the gateways look there each second.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from brain.clients.http import HttpClient
from brain.clients.upstreams import Upstreams
from brain.crypto.predictor import CryptoPredictor
from brain.fraud.desk import FraudDesk, build_desk
from brain.settings import BrainSettings


@dataclass
class Equipment:
    """See `Parts`."""

    settings: BrainSettings
    predictors: Mapping[str, CryptoPredictor]
    fraud: FraudDesk
    http: HttpClient

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follow the decision log while handlers are called; close connections at the end."""
        try:
            async with self.fraud.deciding():
                yield
        finally:
            await self.http.aclose()


def build_equipment(settings: BrainSettings, registry: CollectorRegistry) -> Equipment:
    """Wire the parts together; nothing is asked or opened yet.

    Args:
        settings: The gateway's: both processes read the same environment.
        registry: Where metrics live.

    Raises:
        RulesUnusableError: A rule set that is named cannot be used.
    """
    http = HttpClient(connect_seconds=settings.connect_timeout_seconds, connections=settings.upstream_connections)
    upstreams = Upstreams(settings, http, registry)
    fraud = build_desk(settings.fraud, upstreams.guarded, http=http, registry=registry, stopping=lambda: False)
    return Equipment(settings, upstreams.crypto_predictors(), fraud, http)

"""What capabilities ask, built for the worker: the gateway's settings, predictors and fraud desk without its routes."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from brain.clients.http import HttpClient
from brain.clients.upstreams import Upstreams
from brain.crypto.predictor import CryptoPredictor
from brain.fraud.desk import FraudDesk, build_desk
from brain.settings import BrainSettings


@dataclass(frozen=True)
class WorkerParts:
    """See `brain.capabilities.parts.Parts`."""

    settings: BrainSettings
    predictors: Mapping[str, CryptoPredictor]
    fraud: FraudDesk
    http: HttpClient


@contextlib.asynccontextmanager
async def open_parts(settings: BrainSettings, registry: CollectorRegistry) -> AsyncIterator[WorkerParts]:
    """Wire the parts together; connections are closed when the block ends.

    Several processes may stand on one decision log: every commit takes the place of the log's one writer and reads what
    it depends on within it. Alerts that are raised here become deliveries in the log with their decision, and the
    couriers of the gateways look there each second.

    Raises:
        RulesUnusableError: A rule set that is named cannot be used.
    """
    http = HttpClient(connect_seconds=settings.connect_timeout_seconds, connections=settings.upstream_connections)
    upstreams = Upstreams(settings, http, registry)
    desk = build_desk(settings.fraud, upstreams.guarded, http=http, registry=registry, stopping=lambda: False)
    try:
        async with desk.deciding():
            yield WorkerParts(settings, upstreams.crypto_predictors(), desk, http)
    finally:
        await http.aclose()

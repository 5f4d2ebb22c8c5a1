"""The state of every part of the platform that the gateway can see, looked at once for all who ask."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, Field

from brain.clients.errors import UpstreamError
from brain.crypto.age import in_words
from brain.crypto.predictor import CryptoPredictor
from brain.deadline import Deadline
from brain.fraud.cases import KINDS, Kind
from brain.fraud.status import Look, look_at_log, look_at_model
from brain.runs.status import look_at_workers
from brain.services import Services
from brain.version import gateway_version

LOOK_SECONDS = 2.0
"""Longest look at one part."""

State = Literal["up", "degraded", "down"]
PartState = Literal["up", "degraded", "down", "absent"]
"""`absent`: not there yet and not missed, such as a model that nobody has trained."""


class DataAge(BaseModel):
    """How old the last closed bars are that a predictor reads."""

    as_of: datetime = Field(description="close of the last complete bar of the series that lags most")
    age_seconds: float
    stale: bool


class ServedModel(BaseModel):
    """Which model a predictor answers with."""

    name: str
    version: str
    network: str
    symbols: list[str]
    link: str = Field(description="its page in MLflow")


class Part(BaseModel):
    """One process of the platform."""

    name: str
    kind: Literal["gateway", "predictor", "tracking", "limits", "features", "alerts", "worker"]
    state: PartState
    detail: str = Field(default="", description="what is wrong, in words; empty while nothing is")
    version: str = ""
    address: str = ""
    model: ServedModel | None = None
    data: DataAge | None = None
    uptime_seconds: float | None = None
    lag: int | None = Field(default=None, description="events that the feature store is behind the decision log")
    waiting: int | None = Field(default=None, description="runs that wait for a worker")


class Status(BaseModel):
    """All parts; `state` is the worst that matters to callers."""

    state: State
    checked_at: datetime
    parts: list[Part]


class StatusBoard:
    """Looks at the parts at most every `cache_seconds`, however many callers ask."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._looking = asyncio.Lock()
        self._seen: Status | None = None
        self._until = 0.0

    async def status(self) -> Status:
        """The parts as they are now or were a moment ago."""
        async with self._looking:
            if self._seen is None or time.monotonic() >= self._until:
                self._seen = await self._look()
                self._until = time.monotonic() + self._services.settings.status_cache_seconds
            return self._seen

    async def _look(self) -> Status:
        services = self._services
        looks = [_look_at_predictor(predictor, services) for predictor in services.predictors.values()]
        fraud = [_look_at_fraud(kind, services) for kind in KINDS]
        found, log = await asyncio.gather(
            asyncio.gather(*looks, *fraud, _look_at_mlflow(services), _look_at_worker(services)),
            look_at_log(services.fraud, datetime.now(UTC)),
        )
        parts = [self._gateway(), *found, *(_fraud_part(look, services) for look in log)]
        if services.settings.redis_url.get_secret_value():
            parts.append(_limits_part(services))
        return Status(state=_overall(parts), checked_at=datetime.now(UTC), parts=parts)

    def _gateway(self) -> Part:
        services = self._services
        return Part(
            name="gateway",
            kind="gateway",
            state="degraded" if services.draining else "up",
            detail="stopping: requests in hand are finished, new ones are not taken" if services.draining else "",
            version=gateway_version(),
            address=f"{services.settings.host}:{services.settings.port}",
            uptime_seconds=round(time.time() - services.started_at, 1),
        )


async def _look_at_predictor(predictor: CryptoPredictor, services: Services) -> Part:
    upstream = predictor.client.upstream
    part = Part(name=predictor.model, kind="predictor", state="up", address=upstream.base_url)
    deadline = Deadline.after(LOOK_SECONDS)
    try:
        predictor.forget_offer()
        offer = await predictor.offer(deadline)
        mlflow = services.settings.public_mlflow_url or services.settings.resolved_mlflow_url
        model = ServedModel(
            name=offer.registered_name,
            version=offer.model_version,
            network=offer.network,
            symbols=list(offer.symbols),
            link=model_link(mlflow, offer.registered_name, offer.model_version),
        )
        part = part.model_copy(update={"version": offer.model_version, "model": model})
        data = _age(await predictor.as_of(offer.symbols, deadline), services.settings.stale_after_seconds)
    except UpstreamError as error:
        return part.model_copy(update={"state": "down", "detail": error.detail})
    detail = f"its data is {in_words(data.age_seconds)} old" if data.stale else ""
    return part.model_copy(update={"data": data, "detail": detail, "state": "degraded" if data.stale else "up"})


async def _look_at_fraud(kind: Kind, services: Services) -> Part:
    return _fraud_part(await look_at_model(services.fraud, kind, LOOK_SECONDS), services)


def _fraud_part(look: Look, services: Services) -> Part:
    part = Part(name=look.name, kind=look.kind, state=look.state, detail=look.detail, lag=look.lag)
    if look.kind != "predictor":
        return part
    address = services.fraud.predictor.client.upstream.base_url
    if not look.version:
        return part.model_copy(update={"address": address})
    mlflow = services.settings.public_mlflow_url or services.settings.resolved_mlflow_url
    link = model_link(mlflow, look.name, look.version)
    model = ServedModel(name=look.name, version=look.version, network=look.learner, symbols=[], link=link)
    return part.model_copy(update={"address": address, "version": look.version, "model": model})


async def _look_at_mlflow(services: Services) -> Part:
    part = Part(name="mlflow", kind="tracking", state="up", address=services.settings.resolved_mlflow_url)
    try:
        answer = await services.mlflow.call("GET", "/version", Deadline.after(LOOK_SECONDS))
    except UpstreamError as error:
        return part.model_copy(update={"state": "down", "detail": error.detail})
    return part.model_copy(update={"version": answer.body[:40].decode("ascii", "replace").strip()})


async def _look_at_worker(services: Services) -> Part:
    look = await look_at_workers(services.runs)
    return Part(
        name=look.name,
        kind="worker",
        state=look.state,
        detail=look.detail,
        version=look.version,
        address=look.address,
        uptime_seconds=look.uptime_seconds,
        waiting=look.waiting,
    )


def _limits_part(services: Services) -> Part:
    shared = services.limiter.shared
    detail = "" if shared else "Redis does not answer: each gateway counts rate limits alone"
    return Part(name="rate limits", kind="limits", state="up" if shared else "degraded", detail=detail)


def _age(moments: Sequence[datetime], stale_after_seconds: float) -> DataAge:
    oldest = min(moments)
    age = max(0.0, (datetime.now(UTC) - oldest).total_seconds())
    return DataAge(as_of=oldest, age_seconds=round(age, 1), stale=age > stale_after_seconds)


def _overall(parts: Sequence[Part]) -> State:
    """Down if no predictor answers; degraded if anything at all is amiss."""
    parts = [part for part in parts if part.state != "absent"]
    predictors = [part for part in parts if part.kind == "predictor"]
    if predictors and all(part.state == "down" for part in predictors):
        return "down"
    return "up" if all(part.state == "up" for part in parts) else "degraded"


def model_link(mlflow_url: str, name: str, version: str) -> str:
    """A model version's page in MLflow."""
    page = f"{mlflow_url.rstrip('/')}/#/models/{name}"
    return f"{page}/versions/{version}" if version else page

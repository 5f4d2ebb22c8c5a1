"""Whether the gateway lives, can answer, and how the platform is."""

from typing import Literal

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from brain.api.problem_model import problems
from brain.parts import Status
from brain.security.keys.port import KeyStoreError
from brain.security.principal import require
from brain.services import services_of
from brain.version import gateway_version
from runtime.metrics import exposition
from runtime.problems import Problem

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """The process lives."""

    status: Literal["alive"] = "alive"
    service: Literal["gateway"] = "gateway"
    version: str


class Readiness(BaseModel):
    """The gateway can answer."""

    status: Literal["ready"] = "ready"


@router.get("/health", summary="Is the process alive?")
async def health() -> Health:
    """Answers as long as the event loop turns; asks nobody."""
    return Health(version=gateway_version())


@router.get("/ready", summary="Can it answer?", responses=problems(503))
async def ready(request: Request) -> Readiness:
    """True unless the gateway is stopping or its key store is away.

    Predictors do not count: without them the gateway still answers, with the problem that names them.
    """
    services = services_of(request)
    if services.draining:
        raise Problem(503, detail="the gateway is stopping; ask another replica", headers={"Retry-After": "5"})
    try:
        await to_thread.run_sync(services.keys.by_id, "key_none")
    except KeyStoreError as error:
        raise Problem(503, detail="the key store does not answer", headers={"Retry-After": "2"}) from error
    return Readiness()


@router.get("/status", summary="How is every part?", responses=problems(401, 403, 429))
async def status(request: Request) -> Status:
    """State, version, address and age of data of each part; a part that is down is an entry here, not an error."""
    require(request, "status")
    found: Status = await request.app.state.board.status()
    return found


@router.get("/metrics", summary="Prometheus metrics", responses=problems(401, 403, 429), response_class=Response)
async def metrics(request: Request) -> Response:
    """Counters and latencies in Prometheus' text format."""
    services = services_of(request)
    if services.settings.metrics_require_key:
        require(request, "status")
    body, content_type = await to_thread.run_sync(exposition, services.registry)
    return Response(body, headers={"Content-Type": content_type})

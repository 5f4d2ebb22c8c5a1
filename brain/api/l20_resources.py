"""L20: replicas for services, of what there is."""

import asyncio
import hashlib
import json
from collections.abc import Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response

from brain.api.accepted import ACCEPTED, PREFER_PARAMETER, accepted
from brain.api.fraud import KEY_PARAMETER, idempotency_key
from brain.api.problem_model import problems
from brain.clients.upstream import Upstream
from brain.json_body import JsonRoute
from brain.l20.resources.live import in_cluster, machine
from brain.l20.resources.request import AllocationRequest, Capacity, Evidence, Order
from brain.runs import NewRun
from brain.runs.ids import new_run_id
from brain.security.principal import require
from brain.services import Services, services_of

PATH = "/api/v1/l20/optimize-resources"
KIND = "allocation"
WAIT_SECONDS = 20

router = APIRouter(tags=["l20"], route_class=JsonRoute)


@router.post(
    PATH,
    summary="Allocate replicas by optimisation",
    responses={**ACCEPTED, **problems(400, 401, 403, 409, 413, 415, 422, 429, 503, 504)},
    response_class=Response,
    openapi_extra={"parameters": [PREFER_PARAMETER, KEY_PARAMETER]},
)
async def optimize_resources(request: Request, body: AllocationRequest | None = None) -> Response:
    """The most weighted throughput that keeps every latency target, of the cores, graphics cards and memory there are.

    Services are queues with several replicas (M/M/c); what is left out is measured, and the answer says where each
    number comes from. The run's `result` has before, after, status, bound and gap, and what one more unit of each
    resource would bring. `apply` sets least and most replicas of the InferenceServices; it needs the scope `admin`.
    """
    asked = body or AllocationRequest()
    principal = require(request, "admin" if asked.apply else "orchestrate")
    key = idempotency_key(request)
    order = await _order(asked, services_of(request))
    said = json.dumps(asked.model_dump(mode="json"), sort_keys=True)
    new = NewRun(
        id=new_run_id(),
        kind=KIND,
        owner=principal.id,
        request=order.model_dump(mode="json"),
        request_digest=hashlib.sha256(said.encode()).hexdigest(),
        idempotency_key=key,
    )
    return await accepted(request, new, wait_by_default=WAIT_SECONDS)


async def _order(asked: AllocationRequest, services: Services) -> Order:
    """The request with what was measured in the places that it left empty."""
    capacity, evidence = asked.capacity, list[Evidence]()
    if capacity is not None:
        evidence.append(Evidence(name="capacity", source="the request"))
    elif services.settings.l20_resources.capacity:
        capacity = Capacity.model_validate(services.settings.l20_resources.capacity)
        evidence.append(Evidence(name="capacity", source="BRAIN_L20_RESOURCES_CAPACITY"))
    elif not in_cluster():
        capacity, source = machine()
        evidence.append(source)
    if asked.services is not None:
        evidence.append(Evidence(name="services", source="the request"))
        return Order(capacity=capacity, services=asked.services, measured=False, evidence=evidence, apply=asked.apply)
    found = await asyncio.gather(*(services.demand.measure(name, one) for name, one in _predictors(services)))
    return Order(
        capacity=capacity,
        services=[one.demand for one in found],
        measured=True,
        kept={one.demand.name: one.kept for one in found if one.kept},
        evidence=[*evidence, *(one.evidence for one in found)],
        apply=asked.apply,
    )


def _predictors(services: Services) -> Sequence[tuple[str, Upstream]]:
    """By the names of their InferenceServices."""
    crypto = [(f"crypto-forecast-{name}", one.client.upstream) for name, one in services.predictors.items()]
    return [*crypto, ("fraud-detection", services.fraud.predictor.client.upstream)]

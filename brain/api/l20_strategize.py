"""L20: from an objective to a plan that can be defended, and its execution."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from brain.api.accepted import ACCEPTED, PREFER_PARAMETER, accepted, require_types
from brain.api.fraud import KEY_PARAMETER, idempotency_key
from brain.api.l20_plans import KIND
from brain.api.problem_model import problems
from brain.json_body import JsonRoute
from brain.l20.strategy.commission import Commission
from brain.l20.strategy.library import PlaybookError
from brain.l20.strategy.matching import FullTextMissingError
from brain.l20.strategy.request import StrategizeRequest
from brain.orchestration.submission import digest
from brain.runs import NewRun
from brain.runs.ids import new_run_id
from brain.security.principal import require
from brain.services import Services, services_of
from runtime.logs import get_logger
from runtime.problems import Problem

PATH = "/api/v1/l20/strategize"
SCOPE = "orchestrate"
WAIT_SECONDS = 20

_log = get_logger(__name__)

router = APIRouter(tags=["l20"], route_class=JsonRoute)


@router.post(
    PATH,
    summary="Turn an objective into a plan",
    responses={**ACCEPTED, **problems(400, 401, 403, 409, 413, 415, 422, 429, 503, 504)},
    response_class=Response,
    openapi_extra={"parameters": [PREFER_PARAMETER, KEY_PARAMETER]},
)
async def strategize(body: StrategizeRequest, request: Request) -> Response:
    """Matches playbooks, schedules their tasks under budget, timeline and resources, and says how sure the plan is.

    The plan is the run's `result`: tasks with start, end and mode, critical path, use of resources, what is proven of
    the schedule, the probabilities of timeline and budget, risks and a chart. Where no plan keeps the constraints, it
    says which of them collide and what change of each alone would do. An objective that no playbook fits is a 422.
    """
    principal = require(request, SCOPE)
    services = services_of(request)
    if body.execute:
        require_types(request, (one.type for one in services.capabilities.served()))
    key = idempotency_key(request)
    order = await _commission(services).order(body, datetime.now(UTC))
    new = NewRun(
        id=new_run_id(),
        kind=KIND,
        owner=principal.id,
        request=order.model_dump(mode="json"),
        request_digest=digest(KIND, body.model_dump(mode="json", exclude_unset=True)),
        idempotency_key=key,
    )
    return await accepted(request, new, wait_by_default=WAIT_SECONDS)


def _commission(services: Services) -> Commission:
    try:
        return services.commission
    except FullTextMissingError as error:
        raise Problem(503, detail=str(error)) from error
    except PlaybookError as error:
        _log.error("the playbooks cannot be used", reason=str(error))
        raise Problem(503, detail="the gateway's playbooks cannot be used; its log says which and why") from error

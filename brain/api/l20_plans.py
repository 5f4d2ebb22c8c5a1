"""L20: what can be done with a plan once it is there."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from brain.api.accepted import ACCEPTED, PREFER_PARAMETER, accepted
from brain.api.problem_model import problems
from brain.api.runs import visible
from brain.json_body import JsonRoute
from brain.l20.strategy.execute import execution
from brain.runs import Run
from brain.services import services_of
from runtime.problems import Problem

KIND = "plan"
SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
"""The chart has its style within, and nothing that could run."""

router = APIRouter(prefix="/api/v1/l20/plans", tags=["l20"], route_class=JsonRoute)


@router.get(
    "/{run_id}/gantt.svg",
    summary="Read a plan's chart",
    responses={
        200: {"content": {"image/svg+xml": {}}, "description": "The schedule as a Gantt chart."},
        **problems(401, 403, 404, 409, 422, 429, 503),
    },
    response_class=Response,
)
async def gantt(run_id: str, request: Request) -> Response:
    """Bars, the critical path and the use of each resource, in hours of work."""
    plan = await _plan(request, run_id, "runs")
    match plan.result:
        case {"gantt_svg": str(svg)}:
            return Response(svg, media_type="image/svg+xml", headers={"Content-Security-Policy": SVG_POLICY})
    raise Problem(409, detail=f"the plan {run_id} has no schedule; its run is {plan.state}", extensions=_state(plan))


@router.post(
    "/{run_id}/execute",
    summary="Execute a plan",
    responses={**ACCEPTED, **problems(401, 403, 404, 409, 422, 429, 503, 504)},
    response_class=Response,
    openapi_extra={"parameters": [PREFER_PARAMETER]},
)
async def execute(run_id: str, request: Request) -> Response:
    """Hands those of its tasks that the platform can do to orchestration; asked again, it answers with the same run."""
    plan = await _plan(request, run_id, "orchestrate")
    if plan.state != "succeeded":
        raise Problem(409, detail=f"the plan {run_id} is {plan.state}; only one that is there can be executed")
    new = execution(plan, plan.result, services_of(request).capabilities, datetime.now(UTC))
    return await accepted(request, new)


async def _plan(request: Request, run_id: str, scope: str) -> Run:
    found = await visible(request, run_id, scope)
    if found.kind != KIND:
        raise Problem(404, detail=f"the run {run_id} is of kind {found.kind!r}, and no plan")
    return found


def _state(plan: Run) -> dict[str, object]:
    return {"state": plan.state}

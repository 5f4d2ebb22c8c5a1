"""Graphs of tasks as runs."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from brain.api.accepted import ACCEPTED, PREFER_PARAMETER, accepted
from brain.api.fraud import KEY_PARAMETER, idempotency_key
from brain.api.problem_model import problems
from brain.json_body import JsonRoute
from brain.orchestration.request import OrchestrateRequest, Terms
from brain.orchestration.submission import Submission, orchestration
from brain.security.principal import require
from brain.services import services_of

PATH = "/api/v1/orchestrate"

router = APIRouter(tags=["orchestration"], route_class=JsonRoute)

SUBMISSION_PROBLEMS = problems(400, 401, 403, 409, 413, 415, 422, 429, 503)
SUBMISSION_PARAMETERS = {"parameters": [KEY_PARAMETER, PREFER_PARAMETER]}


@router.post(
    PATH,
    summary="Run a graph of tasks",
    status_code=202,
    responses={**ACCEPTED, **SUBMISSION_PROBLEMS},
    response_class=Response,
    openapi_extra=SUBMISSION_PARAMETERS,
)
async def orchestrate(body: OrchestrateRequest, request: Request) -> Response:
    """Checks the graph, accepts it durably and runs it, tasks that wait for nobody side by side.

    What is wrong with any task is refused before anything runs. A task that fails takes with it those that come after
    it; the others run on, and the run tells task by task what became of it.
    """
    by = submission(request, body)
    return await accepted(request, orchestration(body, services_of(request).capabilities, by))


def submission(request: Request, terms: Terms) -> Submission:
    """Who asks for a run; raise a 403 problem where the caller may not, or not with this priority."""
    principal = require(request, "orchestrate")
    if terms.priority == "critical":
        require(request, "critical")
    return Submission(principal.id, datetime.now(UTC), idempotency_key(request))

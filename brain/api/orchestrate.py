"""Graphs of tasks as runs."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from fastapi import APIRouter, Request
from starlette.responses import Response

from brain.api.accepted import ACCEPTED, PREFER_PARAMETER, accepted
from brain.api.fraud import KEY_PARAMETER, idempotency_key
from brain.api.problem_model import problems
from brain.json_body import JsonRoute
from brain.orchestration.request import OrchestrateRequest, Terms
from brain.orchestration.submission import Submission, orchestration
from brain.runs import NewRun
from brain.security.principal import require
from brain.services import services_of

PATH = "/api/v1/orchestrate"
LARGE_BYTES = 32 * 1024
"""Of a body; up to there a graph is checked within 10 ms."""

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
    by, registry = submission(request, body), services_of(request).capabilities
    return await accepted(request, await checked(request, lambda: orchestration(body, registry, by)))


async def checked(request: Request, make: Callable[[], NewRun]) -> NewRun:
    """The run that a request makes; large ones are checked in a thread, so that others are answered meanwhile."""
    large = len(await request.body()) > LARGE_BYTES
    return await asyncio.to_thread(make) if large else make()


def submission(request: Request, terms: Terms) -> Submission:
    """Who asks for a run; raise a 403 problem where the caller may not, or not with this priority."""
    principal = require(request, "orchestrate")
    if terms.priority == "critical":
        require(request, "critical")
    return Submission(principal.id, datetime.now(UTC), idempotency_key(request))

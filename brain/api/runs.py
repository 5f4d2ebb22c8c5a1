"""Runs: one resource for all long work, whoever made it."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import ValidationError
from starlette.responses import Response

from brain.api.accepted import ACCEPTED, PREFER_PARAMETER, accepted, after_waiting
from brain.api.fraud import KEY_PARAMETER, answered, idempotency_key
from brain.api.problem_model import problems
from brain.api.run_view import RUNS, RunDocument, RunList, run_document, run_summary
from brain.errors import invalid
from brain.json_body import JsonRoute
from brain.orchestration.retry import retry_of
from brain.orchestration.submission import Submission
from brain.runs import Run, RunEndedError, RunNotFoundError, RunState
from brain.runs.ids import is_run_id
from brain.security.principal import Principal, require
from brain.services import services_of
from runtime.problems import FieldError, Problem

SCOPE = "runs"
KIND = r"^[a-z][a-z0-9_-]{0,39}$"

router = APIRouter(prefix=RUNS, tags=["runs"], route_class=JsonRoute)


@router.get(
    "",
    summary="List runs",
    responses={200: {"model": RunList}, **problems(401, 403, 422, 429, 503)},
    response_class=Response,
)
async def runs(
    request: Request,
    kind: Annotated[str | None, Query(pattern=KIND)] = None,
    state: RunState | None = None,
    cursor: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """One's own, newest first, or every caller's for the scope `admin`; tasks and results are read with a run."""
    principal = require(request, SCOPE)
    owner = _owner(principal)
    desk = services_of(request).runs
    try:
        page = await desk.run(lambda store: store.list(owner, kind=kind, state=state, cursor=cursor, limit=limit))
    except ValueError as error:
        detail = f"cursor: {error}"
        raise Problem(422, detail=detail, errors=[FieldError("", detail)]) from error
    return answered({"runs": [run_summary(run) for run in page.runs], "next": page.cursor})


@router.get(
    "/{run_id}",
    summary="Read a run",
    responses={200: {"model": RunDocument}, **problems(401, 403, 404, 422, 429, 503)},
    response_class=Response,
    openapi_extra={"parameters": [PREFER_PARAMETER]},
)
async def run(run_id: str, request: Request) -> Response:
    """As it stands now or, with `Prefer: wait=N`, once it has ended or the time is up."""
    found = await visible(request, run_id)
    return await after_waiting(request, found, pending_status=200)


@router.delete(
    "/{run_id}",
    summary="Cancel a run",
    status_code=202,
    responses={202: {"model": RunDocument}, **problems(401, 403, 404, 409, 422, 429, 503)},
    response_class=Response,
)
async def cancel(run_id: str, request: Request) -> Response:
    """Asks an active run to stop, as often as one likes; what finishes first wins. A run that has ended is a 409."""
    found = await visible(request, run_id)
    desk = services_of(request).runs
    try:
        asked = await desk.run(lambda store: store.ask_cancel(found.id))
    except RunEndedError as error:
        detail = f"{error}; only an active run can be cancelled"
        raise Problem(409, detail=detail, extensions={"state": error.state}) from error
    tasks = await desk.run(lambda store: store.tasks(found.id))
    return answered(run_document(asked, tasks), 202)


@router.post(
    "/{run_id}/retry",
    summary="Retry a run",
    status_code=202,
    responses={**ACCEPTED, **problems(400, 401, 403, 404, 409, 422, 429, 503)},
    response_class=Response,
    openapi_extra={"parameters": [KEY_PARAMETER, PREFER_PARAMETER]},
)
async def retry(run_id: str, request: Request) -> Response:
    """Makes a new run of a failed or cancelled one's request, which does not do again what has succeeded."""
    found = await visible(request, run_id, "orchestrate")
    principal = require(request, "critical" if found.priority == "critical" else "orchestrate")
    services = services_of(request)
    tasks = await services.runs.run(lambda store: store.tasks(found.id))
    by = Submission(principal.id, datetime.now(UTC), idempotency_key(request))
    try:
        again = retry_of(found, tasks, services.capabilities, by)
    except ValidationError as error:
        raise invalid(error.errors()) from error
    return await accepted(request, again)


async def visible(request: Request, run_id: str, scope: str = SCOPE) -> Run:
    """The run, if the caller may see it.

    Raises:
        Problem: 403 without the scope; 404 where there is no such run, or it is another caller's.
    """
    principal = require(request, scope)
    owner = _owner(principal)
    desk = services_of(request).runs
    if not is_run_id(run_id):
        raise _not_there(run_id)
    try:
        return await desk.run(lambda store: store.get(run_id, owner))
    except RunNotFoundError as error:
        raise _not_there(run_id) from error


def _owner(principal: Principal) -> str | None:
    """Whose runs a caller sees; None: everybody's."""
    return None if principal.allows("admin") else principal.id


def _not_there(run_id: str) -> Problem:
    return Problem(404, detail=f"there is no run {run_id[:80]!r}; list yours at {RUNS}")

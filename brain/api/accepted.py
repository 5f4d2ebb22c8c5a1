"""From a run that was asked for to the answer: durable first, then 202, or 200 once it has ended."""

from collections.abc import Iterable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from brain.api.fraud import answered
from brain.api.prefer import MOST_WAIT_SECONDS, wanted_wait
from brain.api.problem_model import Responses
from brain.api.run_view import RunDocument, run_document, run_path
from brain.runs import TERMINAL, KeyUsedError, NewRun, Run
from brain.runs.desk import RunsUnavailableError
from brain.security.principal import require
from brain.services import services_of
from runtime.problems import Problem

RETRY_AFTER_SECONDS = 1
ANSWER_SECONDS = 0.5
"""Kept of the request's time for reading what became of the run."""

PREFER_PARAMETER: dict[str, object] = {
    "name": "Prefer",
    "in": "header",
    "description": f"`wait=N` answers once the run has ended, at most after N ≤ {MOST_WAIT_SECONDS} seconds; "
    "`respond-async` does not wait (RFC 7240)",
    "schema": {"type": "string"},
}

_LOCATION = {"description": "where the run is", "schema": {"type": "string"}}
_RETRY_AFTER = {"description": "seconds until looking again is worth it", "schema": {"type": "integer"}}
ACCEPTED: Responses = {
    200: {"model": RunDocument, "description": "The run has ended, well or not."},
    202: {
        "model": RunDocument,
        "description": "The run is durable and has not ended.",
        "headers": {"Location": _LOCATION, "Retry-After": _RETRY_AFTER},
    },
}
"""The answers of `accepted`, for a route's description."""


async def accepted(request: Request, new_run: NewRun, wait_by_default: int = 0) -> Response:
    """Accept a run and answer with it.

    The same key and body answer with the run that they made the first time, as it stands now. A caller that hangs up
    cancels nothing.

    Args:
        request: Whose `Prefer` says how long to wait.
        new_run: Checked already.
        wait_by_default: Seconds to wait for its end where the caller does not say.

    Raises:
        Problem: 403 where a task needs a scope that the caller has not, 409 where the key was used for another request,
            503 while the run store is away; where it went away after the run was accepted, with the run's place.
    """
    require_types(request, (task.type for task in new_run.tasks))
    desk = services_of(request).runs
    try:
        run = await desk.run(lambda store: store.create(new_run))
    except KeyUsedError as error:
        detail = f"{error}; send another key, or the same request"
        raise Problem(409, detail=detail, extensions={"run": error.run_id}) from error
    try:
        return await after_waiting(request, run, wait_by_default)
    except RunsUnavailableError as error:
        place = run_path(run.id)
        detail = f"run {run.id} is accepted, but cannot be read now; look at {place} in 2 s"
        headers = {"Location": place, "Retry-After": "2"}
        raise Problem(503, detail=detail, headers=headers, extensions={"run": run.id}) from error


async def after_waiting(request: Request, run: Run, wait_by_default: int = 0, pending_status: int = 202) -> Response:
    """Answer with a run, once it has ended or the caller has waited as long as it wants to.

    Args:
        request: Whose `Prefer` says how long to wait.
        run: As it was a moment ago.
        wait_by_default: Seconds to wait for its end where the caller does not say.
        pending_status: Of the answer while the run has not ended.
    """
    desk = services_of(request).runs
    wait = wanted_wait(request.headers.getlist("prefer"), wait_by_default)
    if wait.seconds and run.state not in TERMINAL:
        deadline = request.state.allow(wait.seconds)
        run = await desk.ended(run, max(0.0, min(wait.seconds, deadline.remaining_seconds - ANSWER_SECONDS)))
    tasks = await desk.run(lambda store: store.tasks(run.id))
    status = 200 if run.state in TERMINAL else pending_status
    response = answered(run_document(run, tasks), status)
    response.headers.update(_headers(run, wait.applied, status))
    return response


def require_types(request: Request, types: Iterable[str]) -> None:
    """Refuse with a 403 problem a caller that may not have tasks of these types done by asking for them directly."""
    registry = services_of(request).capabilities
    for scope in sorted({registry.get(one).scope for one in set(types)} - {""}):
        require(request, scope)


def _headers(run: Run, applied: str, status: int) -> Mapping[str, str]:
    place = "Location" if status == 202 else "Content-Location"
    headers = {place: run_path(run.id)}
    if run.state not in TERMINAL:
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    if applied:
        headers["Preference-Applied"] = applied
    return headers

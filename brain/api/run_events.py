"""What happens to a run, as server-sent events."""

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from brain.api.problem_model import problems
from brain.api.run_view import RUNS
from brain.api.runs import visible
from brain.services import services_of

SSE = "text/event-stream"

router = APIRouter(prefix=RUNS, tags=["runs"])

_EVENT = {
    "type": "object",
    "required": ["id", "event", "data"],
    "properties": {
        "id": {"type": "string", "pattern": "^[0-9]+$", "description": "its number in the run"},
        "event": {"type": "string", "examples": ["queued", "claimed", "progress", "succeeded"]},
        "data": {
            "type": "string",
            "contentMediaType": "application/json",
            "description": "`run`, `at`, and what there is to say: `state`, `reason`, `progress`, `tasks` that changed",
        },
    },
}
_LAST_EVENT_PARAMETER = {
    "name": "Last-Event-ID",
    "in": "header",
    "description": "the number of the last event that was received; those after it come",
    "schema": {"type": "string", "pattern": "^[0-9]{1,9}$"},
}


@router.get(
    "/{run_id}/events",
    summary="Follow a run",
    responses={
        200: {"content": {SSE: {"schema": _EVENT}}, "description": "Server-sent events, each as the schema says."},
        204: {"description": "The run has ended, and nothing came after the last event received."},
        **problems(401, 403, 404, 422, 429, 503),
    },
    response_class=Response,
    openapi_extra={"parameters": [_LAST_EVENT_PARAMETER]},
)
async def events(run_id: str, request: Request) -> Response:
    """Everything that happened to a run and happens from now on; the stream ends after the terminal event.

    Numbers grow within a run and are the same on every replica; `Last-Event-ID` resumes after one. Reports of progress
    that come quickly are told as one, and a comment every 15 seconds says that the stream lives.
    """
    found = await visible(request, run_id)
    feed = services_of(request).run_feed
    after = await feed.start(found, request.headers.get("last-event-id"))
    if after is None:
        return Response(status_code=204)
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingResponse(feed.stream(run_id, after), media_type=SSE, headers=headers)

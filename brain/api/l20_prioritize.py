"""L20: work in the order in which it is best done."""

import time
from datetime import UTC, datetime, timedelta
from functools import cache

from anyio import CapacityLimiter, to_thread
from fastapi import APIRouter, Request
from starlette.responses import Response

from brain.api.problem_model import problems
from brain.json_body import parse_json
from brain.l20.analytics.durations import LearnedDurations
from brain.l20.priority.answer import PrioritizeResponse, write
from brain.l20.priority.collection import no_collection
from brain.l20.priority.ranking import KnownOf, known_of, rank
from brain.l20.priority.request import in_chunks, read, request_schema
from brain.l20.priority.settings import PrioritySettings
from brain.runs.desk import RunsUnavailableError
from brain.security.principal import require
from brain.services import Services, services_of
from runtime.problems import Problem

PATH = "/api/v1/l20/prioritize"
MOST_CALLS = 2000
"""Newest calls that durations are learned from."""

router = APIRouter(tags=["l20"])


@router.post(
    PATH,
    summary="Order work by reasons",
    responses={200: {"model": PrioritizeResponse}, **problems(400, 401, 403, 413, 415, 422, 429, 504)},
    response_class=Response,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": request_schema()}}}},
)
async def prioritize(request: Request) -> Response:
    """Up to 100,000 tasks by a weighted mean of eight factors, each factor's contribution in the answer.

    Priority class, deadline slack, value, cost, duration, age, the work that waits behind, and the fit to what is free.
    A task inherits the score of what waits for it where that is higher, so nothing stands before what it depends on;
    equal ones keep their order. What is not said of a task comes from its type: from calls of the last day
    where enough have ended, else from its estimate.
    """
    services = services_of(request)
    require(request, "orchestrate")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, detail=f"expected a body of Content-Type application/json, received {kind[:80] or 'none'!r}")
    body = await request.body()
    if not body:
        raise Problem(400, detail="the body is empty; send a JSON object with the list 'tasks'")
    known = await _known(services)
    limiter = _limiter(services.settings.l20_priority.at_once)
    content = await to_thread.run_sync(_ranked, body, known, services.settings.l20_priority, limiter=limiter)
    return Response(content, media_type="application/json")


@cache
def _limiter(at_once: int) -> CapacityLimiter:
    return CapacityLimiter(at_once)


async def _known(services: Services) -> KnownOf:
    """What the registry says of a type, and where the run store answers what calls of it took lately."""
    since = datetime.now(UTC) - timedelta(seconds=services.settings.l20_metrics.window_seconds)
    least = services.settings.l20_metrics.least_observed
    try:
        learned = await services.runs.run(lambda store: LearnedDurations(store.durations(since, MOST_CALLS), least))
    except RunsUnavailableError:
        learned = LearnedDurations(())
    return cache(lambda name: known_of(services.capabilities.get(name), learned.learned(name)))


def _ranked(body: bytes, known: KnownOf, settings: PrioritySettings) -> bytes:
    now = time.time()
    with no_collection():
        ranking = rank(read(parse_json(body), settings.most_tasks), known, settings, now)
        content = write(ranking, ranking.asked.options.weights.over(settings.weights), now)
        for _ in in_chunks(ranking.asked.tasks):
            time.sleep(0)  # the event loop's turn
        return content

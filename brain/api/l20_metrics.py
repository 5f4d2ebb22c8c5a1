"""L20: figures of the work that was done, and what they recommend."""

import re
from typing import Annotated

from fastapi import APIRouter, Query, Request

from brain.api.l20_metrics_models import L20Metrics, document
from brain.api.problem_model import problems
from brain.json_body import JsonRoute
from brain.l20.analytics.figures import look
from brain.l20.analytics.recommendations import recommend
from brain.security.principal import require
from brain.services import services_of
from runtime.problems import Problem

MOST_WINDOW_SECONDS = 90 * 86_400
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_WINDOW = re.compile(r"([0-9]{1,9})(s|m|h|d|)")

router = APIRouter(prefix="/api/v1/l20", tags=["l20"], route_class=JsonRoute)


@router.get(
    "/metrics", summary="Figures of the work done, and what they recommend", responses=problems(401, 403, 422, 429, 503)
)
async def l20_metrics(
    request: Request,
    window: Annotated[str, Query(description="how far back: `90s`, `15m`, `24h`, `7d`", max_length=20)] = "",
) -> L20Metrics:
    """Throughput, queue, latencies, success, plan against actual, utilisation, of all callers together.

    Durations of what failed, was cancelled or still goes on are lower bounds, not averages. Each recommendation quotes
    the numbers that it follows from.
    """
    require(request, "status")
    services = services_of(request)
    settings = services.settings.l20_metrics
    seconds = _seconds(window) if window else settings.window_seconds
    rows, least = settings.most_rows, settings.least_observed
    figures = await services.runs.run(lambda store: look(store, seconds, rows, least))
    return document(figures, list(recommend(figures, settings)))


def _seconds(window: str) -> float:
    found = _WINDOW.fullmatch(window)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0
    if not 1 <= seconds <= MOST_WINDOW_SECONDS:
        detail = f"query parameter 'window' is from 1s to 90d, such as 15m, 24h or 7d; received {window!r}"
        raise Problem(422, detail=detail)
    return float(seconds)

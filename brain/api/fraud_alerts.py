"""Fraud alerts: listed, streamed, acknowledged; and what could not be delivered."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response, StreamingResponse

from brain.api.fraud import answered
from brain.api.problem_model import problems
from brain.fraud.courier import alert_document
from brain.fraud.lookup import is_id, not_there
from brain.json_body import JsonRoute
from brain.security.principal import require
from brain.services import services_of
from runtime.decision_log import AlertNotFoundError, Delivery, DeliveryNotFoundError
from runtime.problems import Problem

SSE = "text/event-stream"
MOST_NUMBER = 2**63 - 1
"""The largest that a database can be asked for."""

Before = Annotated[int | None, Query(ge=1, le=MOST_NUMBER)]
Limit = Annotated[int, Query(ge=1, le=500)]

router = APIRouter(prefix="/api/v1/fraud", tags=["fraud"], route_class=JsonRoute)


class Acknowledgement(BaseModel):
    """Who looked at an alert says what he found."""

    model_config = ConfigDict(extra="forbid")

    note: str = Field(default="", max_length=2000, pattern=r"^[^\x00]*$", description="any text without NUL")


class AlertList(BaseModel):
    """One page of alerts, newest first."""

    alerts: list[dict[str, object]]
    next_before: int | None = Field(description="send it as `before` for the next page; null on the last one")


@router.get(
    "/alerts",
    summary="List alerts, or follow them",
    responses={200: {"model": AlertList}, **problems(401, 403, 422, 429, 503)},
    response_class=Response,
)
async def alerts(
    request: Request,
    state: Literal["open", "acknowledged"] | None = None,
    before: Before = None,
    limit: Limit = 50,
) -> Response:
    """Newest first, or as they happen.

    With `Accept: text/event-stream` everything that happens to alerts from now on comes as events `raised` and
    `acknowledged`; `Last-Event-ID` resumes after an event, and a comment every 15 seconds says that the stream lives.
    """
    require(request, "predict")
    desk = services_of(request).fraud
    if SSE in request.headers.get("accept", ""):
        after = await desk.feed.start(request.headers.get("last-event-id"))
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        return StreamingResponse(desk.feed.stream(after), media_type=SSE, headers=headers)
    found = await desk.ledger.run(lambda log: log.alerts.list(state, before, limit + 1))
    following = found[limit - 1].sequence if len(found) > limit else None
    return answered({"alerts": [alert_document(alert) for alert in found[:limit]], "next_before": following})


@router.post(
    "/alerts/{alert_id}/acknowledge",
    summary="Take notice of an alert",
    responses=problems(400, 401, 403, 404, 413, 415, 422, 429, 503),
)
async def acknowledge(alert_id: str, request: Request, body: Acknowledgement | None = None) -> dict[str, object]:
    """The first one stands: whoever comes later is answered with the first name and note."""
    principal = require(request, "predict")
    note = "" if body is None else body.note
    desk = services_of(request).fraud
    unknown = not_there("alert", alert_id, "list them at /api/v1/fraud/alerts")
    if not is_id(alert_id):
        raise unknown
    try:
        found = await desk.ledger.run(lambda log: log.alerts.acknowledge(alert_id, principal.id, note))
    except AlertNotFoundError as error:
        raise unknown from error
    desk.bell.ring()
    return alert_document(found)


@router.get(
    "/deliveries",
    summary="List deliveries of alerts",
    responses=problems(401, 403, 422, 429, 503),
)
async def deliveries(
    request: Request,
    state: Literal["pending", "delivered", "dead"] = "dead",
    before: Before = None,
    limit: Limit = 50,
) -> dict[str, object]:
    """What is on its way to receivers, arrived, or was given up: the dead letters."""
    require(request, "predict")
    found = await services_of(request).fraud.ledger.run(lambda log: log.deliveries.list(state, before, limit + 1))
    following = found[limit - 1].id if len(found) > limit else None
    return {"deliveries": [_delivery(one) for one in found[:limit]], "next_before": following}


@router.post(
    "/deliveries/{delivery_id}/revive",
    summary="Send a dead letter again",
    responses=problems(401, 403, 404, 422, 429, 503),
)
async def revive(delivery_id: Annotated[int, Path(ge=1, le=MOST_NUMBER)], request: Request) -> dict[str, object]:
    """Its attempts are counted anew."""
    require(request, "predict")
    desk = services_of(request).fraud
    try:
        found = await desk.ledger.run(lambda log: log.deliveries.revive(delivery_id))
    except DeliveryNotFoundError as error:
        raise Problem(404, detail=str(error)) from error
    desk.bell.ring()
    return _delivery(found)


def _delivery(delivery: Delivery) -> dict[str, object]:
    return {
        "id": delivery.id,
        "target": delivery.target,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "due_at": delivery.due_at.isoformat(),
        "last_error": delivery.last_error,
        "alert": delivery.alert.id,
    }

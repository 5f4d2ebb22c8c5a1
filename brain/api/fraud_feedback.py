"""Fraud: what became known about a case."""

from datetime import UTC, datetime

from fastapi import APIRouter, Request

from brain.api.fraud import idempotency_key
from brain.api.problem_model import problems
from brain.fraud.feedback import FeedbackRequest, FeedbackResponse, record_label
from brain.json_body import JsonRoute
from brain.security.principal import require
from brain.services import services_of

router = APIRouter(prefix="/api/v1/fraud", tags=["fraud"], route_class=JsonRoute)


@router.post(
    "/feedback",
    summary="Say whether a case was fraud",
    responses=problems(400, 401, 403, 404, 409, 413, 415, 422, 429, 503),
)
async def feedback(body: FeedbackRequest, request: Request) -> FeedbackResponse:
    """The label enters the log, and the features once its delay is over; the same label again changes nothing."""
    principal = require(request, "predict")
    key = idempotency_key(request)
    now = datetime.now(UTC)
    return await services_of(request).fraud.ledger.run(
        lambda log: record_label(log, body, caller=principal.id, idempotency_key=key, now=now)
    )

"""Fraud: analyse cases, and read what was decided."""

import json
import time
from datetime import UTC, datetime

from fastapi import APIRouter, Body, Request
from starlette.responses import Response

from brain.api.fraud_models import AnalyzeResponse, DecisionResponse
from brain.api.problem_model import problems
from brain.deadline import Deadline
from brain.fraud.cases import CardRequest, RecordRequest, read_case
from brain.fraud.decision import full_answer_of
from brain.fraud.drift import DriftReport
from brain.fraud.lookup import decision_with_label
from brain.json_body import JsonRoute
from brain.security.principal import require
from brain.services import services_of
from runtime.problems import Problem

IDEMPOTENCY_HEADER = "Idempotency-Key"
MOST_KEY_CHARACTERS = 255

PREFIX = "/api/v1/fraud"
ANALYZE_PATH = f"{PREFIX}/analyze"

router = APIRouter(prefix=PREFIX, tags=["fraud"], route_class=JsonRoute)

KEY_PARAMETER: dict[str, object] = {
    "name": IDEMPOTENCY_HEADER,
    "in": "header",
    "description": "the same key and body within 24 hours give the first answer; another body, 409",
    "schema": {"type": "string", "maxLength": MOST_KEY_CHARACTERS},
}
_ANY_CASE = {"anyOf": [CardRequest.model_json_schema(), RecordRequest.model_json_schema()]}


@router.post(
    ANALYZE_PATH.removeprefix(PREFIX),
    summary="Decide about a transaction, a connection or an account",
    responses={
        200: {"model": AnalyzeResponse},
        **problems(400, 401, 403, 409, 413, 415, 422, 429, 502, 503, 504),
    },
    response_class=Response,
    openapi_extra={
        "parameters": [KEY_PARAMETER],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _ANY_CASE}}},
    },
)
async def analyze(request: Request, body: dict[str, object] = Body()) -> Response:  # noqa: B008 - how the framework reads it
    """Scores the case with everything that is known at this moment, applies the rules and records the decision.

    The decision and its inputs are durable before the answer goes out; where anything fails before that, nothing is
    recorded and the request can be sent again.
    """
    begun = time.perf_counter()
    services = services_of(request)
    principal = require(request, "predict")
    deadline: Deadline = request.state.deadline
    case = read_case(body, caller=principal.id, idempotency_key=idempotency_key(request), now=datetime.now(UTC))
    answer = await services.fraud.analyst.analyze(case, deadline)
    return answered({**answer, "latency_ms": round((time.perf_counter() - begun) * 1000, 2)})


@router.get(
    "/decisions/{decision_id}",
    summary="Read a decision with everything that it rests on",
    responses={200: {"model": DecisionResponse}, **problems(401, 403, 404, 422, 429, 503)},
    response_class=Response,
)
async def decision(decision_id: str, request: Request) -> Response:
    """Features, contributions, rules, versions and, once it is known, the label."""
    require(request, "predict")
    event, label = await services_of(request).fraud.ledger.run(lambda log: decision_with_label(log, decision_id))
    return answered(full_answer_of(event, label))


@router.get("/drift", summary="Has the input moved from the training data?", responses=problems(401, 403, 429, 503))
async def drift(request: Request) -> DriftReport:
    """Population stability indices of every input and of the score, for each model over its last decisions."""
    require(request, "predict")
    return await services_of(request).fraud.drift.report()


def idempotency_key(request: Request) -> str | None:
    """The caller's key; raise a 422 problem where it is none that can be kept."""
    value = request.headers.get(IDEMPOTENCY_HEADER)
    if value is None:
        return None
    return checked_key(value.strip(), IDEMPOTENCY_HEADER)


def checked_key(value: object, where: str) -> str:
    """An idempotency key of 1 to 255 printable ASCII characters; raise a 422 problem otherwise."""
    if isinstance(value, str) and 0 < len(value) <= MOST_KEY_CHARACTERS and value.isascii() and value.isprintable():
        return value
    detail = f"{where} must hold 1 to {MOST_KEY_CHARACTERS} printable ASCII characters, received {str(value)[:40]!r}"
    raise Problem(422, detail=detail)


def answered(document: object, status: int = 200) -> Response:
    """A JSON answer from what is JSON already; validating our own log's documents would cost more than the decision."""
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return Response(body, status, media_type="application/json")

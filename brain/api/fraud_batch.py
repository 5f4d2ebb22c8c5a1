"""Fraud: many cases in one request."""

import json
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

from anyio import to_thread
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from brain.api.fraud import IDEMPOTENCY_HEADER
from brain.api.fraud_models import AnalyzeResponse
from brain.api.problem_model import ProblemDocument, problems
from brain.deadline import Deadline
from brain.fraud.batch import MOST_ROWS, Outcome, Row, read_rows
from brain.fraud.cases import CardRequest, RecordRequest
from brain.json_body import parse_json
from brain.security.principal import require
from brain.services import services_of
from runtime.problems import Problem
from runtime.tracing import current_request_id

PATH = "/api/v1/fraud/analyze/batch"

router = APIRouter(tags=["fraud"])


class BatchRow(BaseModel):
    """The answer to one row: a result, or a problem."""

    status: int = Field(description="what the row alone would have been answered with")
    result: AnalyzeResponse | None = None
    problem: ProblemDocument | None = None


class BatchResponse(BaseModel):
    """Answers in the order of the rows."""

    rows: list[BatchRow]
    counts: dict[str, int] = Field(description="rows by decision, and those that failed")
    latency_ms: float


_ROW = {"anyOf": [CardRequest.model_json_schema(), RecordRequest.model_json_schema()]}
_BODY = {
    "type": "object",
    "required": ["rows"],
    "properties": {
        "rows": {"type": "array", "minItems": 1, "maxItems": MOST_ROWS, "items": _ROW},
        "explain": {"type": "string", "enum": ["never", "auto", "always"], "default": "never"},
    },
}


@router.post(
    PATH,
    summary="Decide about many cases",
    responses={200: {"model": BatchResponse}, **problems(400, 401, 403, 413, 415, 422, 429, 504)},
    response_class=Response,
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": _BODY}}}},
)
async def analyze_batch(request: Request) -> Response:
    """1 to 10,000 rows, each as for `/api/v1/fraud/analyze` and with an `idempotency_key` of its own if wanted.

    They are decided in the order of `occurred_at`, and a row sees those before it. A row that fails is answered with
    its problem and leaves the others alone; sending the batch again repeats nothing that has an id or a key. A body
    that is no JSON, such as one with NaN in a row, is refused as a whole.
    """
    begun = time.perf_counter()
    services = services_of(request)
    principal = require(request, "predict")
    deadline: Deadline = request.state.deadline
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Problem(415, detail=f"expected a body of Content-Type application/json, received {kind[:80] or 'none'!r}")
    if IDEMPOTENCY_HEADER in request.headers:
        detail = f"{IDEMPOTENCY_HEADER} stands for one case; give each row its own 'idempotency_key' instead"
        raise Problem(422, detail=detail)
    body = await request.body()
    if not body:
        raise Problem(400, detail="the body is empty; send a JSON object with the list 'rows'")
    rows = await to_thread.run_sync(_read, body, principal.id)
    outcomes = await services.fraud.batch.run(rows, deadline)
    content = await to_thread.run_sync(_written, outcomes, current_request_id(), begun)
    return Response(content, media_type="application/json")


def _read(body: bytes, caller: str) -> Sequence[Row | Problem]:
    return read_rows(parse_json(body), caller=caller, now=datetime.now(UTC))


def _written(outcomes: Sequence[Outcome], request_id: str, begun: float) -> bytes:
    counts = Counter("failed" if isinstance(one, Problem) else str(one["decision"]) for one in outcomes)
    latency = round((time.perf_counter() - begun) * 1000, 2)
    rows = [
        {"status": one.status, "problem": one.document(request_id)}
        if isinstance(one, Problem)
        else {"status": 200, "result": {**one, "latency_ms": latency}}
        for one in outcomes
    ]
    document = {"rows": rows, "counts": counts, "latency_ms": latency}
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

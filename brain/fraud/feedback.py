"""Labels: what became known about a case."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from brain.fraud.cases import FURTHEST_AHEAD, KINDS, Moment, TransactionId, request_digest
from brain.fraud.lookup import label_id
from runtime.decision_log import DecisionLog, DuplicateEventError, KeyReusedError, LoggedEvent, NewEvent
from runtime.moments import microseconds, moment
from runtime.problems import FieldError, Problem


class FeedbackRequest(BaseModel):
    """Whether a case was fraud."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, json_schema_extra={"examples": [{"transaction_id": "t-1", "fraud": True}]}
    )

    kind: Literal["card", "network", "crypto"] = "card"
    transaction_id: TransactionId
    fraud: bool = Field(strict=True)
    known_at: Moment | None = Field(default=None, description="when it became known; now where left out")


class FeedbackResponse(BaseModel):
    """The label as it stands in the log."""

    kind: str
    transaction_id: str
    fraud: bool
    known_at: str
    sequence: int
    decision_id: str
    decision: str


def record_label(
    log: DecisionLog, request: FeedbackRequest, *, caller: str, idempotency_key: str | None, now: datetime
) -> FeedbackResponse:
    """Append a label, or give back the one that says the same; blocking.

    Raises:
        Problem: 404 where there is no such case, with the nearest ids; 409 where another label stands or the key was
            used for something else; 422 where it is known before it happened, or in the future.
    """
    stream = f"fraud-{request.kind}"
    case = log.find_event(stream, request.transaction_id)
    if case is None or case.kind != "transaction":
        raise _unknown(log, stream, request.transaction_id)
    happened_at = moment(case.occurred_at_us)
    # A caller's clock may run ahead of ours: a case that lies minutes ahead can be labelled at once all the same.
    known_at = request.known_at or max(now.astimezone(UTC), happened_at)
    _check_time(known_at, happened_at, now)
    _check_key(log, case, caller, idempotency_key)
    standing = log.find_event(stream, label_id(request.transaction_id))
    if standing is None:
        event = _label(request, case, known_at, caller=caller, idempotency_key=idempotency_key)
        try:
            (standing,) = log.commit([event])
        except DuplicateEventError as error:
            standing = error.existing[0]
        except KeyReusedError as error:
            raise _key_reused(idempotency_key, error.existing[0]) from error
    return _answer(request, case, standing)


def _label(
    request: FeedbackRequest, case: LoggedEvent, known_at: datetime, *, caller: str, idempotency_key: str | None
) -> NewEvent:
    body: dict[str, object] = {
        **{name: value for name, value in case.body.items() if name != "record"},
        "transaction_id": request.transaction_id,
        "fraud": request.fraud,
        "known_at": known_at.isoformat(),
    }
    return NewEvent(
        stream=case.stream,
        kind="label",
        event_id=label_id(request.transaction_id),
        keys=case.keys,
        occurred_at_us=microseconds(known_at),
        body=body,
        caller=caller,
        idempotency_key=idempotency_key,
        request_digest=request_digest("feedback", request.model_dump(mode="json", exclude_unset=True)),
        subject_id=case.event_id,
    )


def _answer(request: FeedbackRequest, case: LoggedEvent, label: LoggedEvent) -> FeedbackResponse:
    decision: Mapping[str, object] = case.decision or {}
    known_at = str(label.body["known_at"])
    same_time = request.known_at is None or datetime.fromisoformat(known_at) == request.known_at
    if label.body["fraud"] is not request.fraud or not same_time:
        says = "fraud" if label.body["fraud"] else "genuine"
        detail = (
            f"transaction_id {request.transaction_id!r} was labelled {says}, known at {known_at}, as sequence "
            f"{label.sequence}; a label stands once it is in the log"
        )
        raise Problem(409, detail=detail, extensions={"sequence": label.sequence})
    return FeedbackResponse(
        kind=request.kind,
        transaction_id=request.transaction_id,
        fraud=request.fraud,
        known_at=known_at,
        sequence=label.sequence,
        decision_id=str(decision.get("id", "")),
        decision=str(decision.get("decision", "")),
    )


def _check_time(known_at: datetime, happened_at: datetime, now: datetime) -> None:
    received = f"received {known_at.isoformat()}"
    if known_at < happened_at:
        detail = f"lies before the transaction itself, which happened at {happened_at.isoformat()}; {received}"
    elif known_at > now + FURTHEST_AHEAD:
        minutes = FURTHEST_AHEAD.seconds // 60
        clock = now.astimezone(UTC).isoformat(timespec="seconds")
        detail = f"lies more than {minutes} minutes ahead of the clock; {received}, and it is {clock}"
    else:
        return
    detail += "; send when it became known, or leave it out for now"
    raise Problem(422, detail=f"/known_at: {detail}", errors=[FieldError("/known_at", detail)])


def _check_key(log: DecisionLog, case: LoggedEvent, caller: str, key: str | None) -> None:
    """Refuse a key that stands for something else, even where the label itself stands already."""
    used = None if key is None else log.find_key(caller, key)
    if used is not None and (used.stream, used.event_id) != (case.stream, label_id(case.event_id)):
        raise _key_reused(key, used)


def _key_reused(key: str | None, used: LoggedEvent) -> Problem:
    detail = f"Idempotency-Key {key!r} was used for another request, as sequence {used.sequence}; choose a new one"
    return Problem(409, detail=detail, extensions={"sequence": used.sequence})


def _unknown(log: DecisionLog, stream: str, transaction_id: str) -> Problem:
    others = [kind for kind in KINDS if f"fraud-{kind}" != stream]
    kinds = [kind for kind in others if log.find_event(f"fraud-{kind}", transaction_id) is not None]
    near = [name for name in log.neighbours(stream, transaction_id) if not name.startswith("label:")]
    if kinds:
        hint = f"there is one of kind {kinds[0]!r}: send it as 'kind'"
    elif near:
        hint = f"did you mean {' or '.join(map(repr, near))}?"
    else:
        hint = "send the 'transaction_id' and 'kind' that /api/v1/fraud/analyze answered with"
    detail = f"{stream} holds no transaction {transaction_id!r}; {hint}"
    return Problem(404, detail=detail, extensions={"nearest": near})

"""A case: one transaction, connection or account to be judged, read from what a caller sent."""

import hashlib
import json
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from brain.errors import invalid, shown
from runtime.decision_log import EntityKey
from runtime.moments import microseconds
from runtime.problems import FieldError, Problem, json_pointer

Kind = Literal["card", "network", "crypto"]
KINDS: tuple[Kind, ...] = ("card", "network", "crypto")
Explain = Literal["auto", "always", "never"]

OLDEST = timedelta(days=30)
FURTHEST_AHEAD = timedelta(minutes=5)
MOST_MINOR = 10**12
MOST_FIELDS = 32
"""More than any request has; each unknown one costs a line of the answer."""
MOST_NAME_CHARACTERS = 80
"""Longer than any field's name; an unknown one is named in the answer."""

_NOT_IN_DIGEST = ("explain", "idempotency_key")

_DATE_AND_TIME = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}")
"""How RFC 3339 begins. Without this, digits in quotes would pass as seconds since 1970."""


def _rfc3339(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _DATE_AND_TIME.match(value)):
        return value
    raise ValueError("must be an RFC 3339 time with a time zone, such as '2026-01-31T12:00:00Z'")


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must lie within the years 1 to 9999 in UTC") from error


def _id(value: object) -> object:
    if isinstance(value, str) and value.startswith("label:"):
        raise ValueError("must not begin with 'label:', which names feedback in the log")
    return value


Identifier = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_in_utc)]
TransactionId = Annotated[str, BeforeValidator(_id), Field(min_length=1, max_length=128, pattern=r"^[!-~]+$")]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    transaction_id: TransactionId | None = Field(default=None, description="the caller's own id; made where left out")
    occurred_at: Moment | None = Field(default=None, description="RFC 3339 with a time zone; now where left out")
    explain: Explain = Field(
        default="auto", description="`auto` gives reasons for review and decline, `always` for every decision"
    )


class CardRequest(_Request):
    """A card transaction."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"customer_id": "C0000001", "terminal_id": "T0000001", "amount_minor": 4200}]}
    )

    kind: Literal["card"] = "card"
    customer_id: Identifier
    terminal_id: Identifier
    amount_minor: int = Field(ge=0, le=MOST_MINOR, strict=True, description="in minor units, such as cents")
    currency: str = Field(default="EUR", pattern=r"^[A-Z]{3}$", description="ISO 4217")


class RecordRequest(_Request):
    """A network connection or a crypto account, as raw fields."""

    kind: Literal["network", "crypto"]
    record: dict[str, object] = Field(description="the raw fields of the detector; unknown and missing ones are named")


@dataclass(frozen=True)
class Case:
    """What is to be judged.

    Attributes:
        fields: What rules see.
        body: What the log keeps, and what the predictor gets as its record.
        digest: Tells whether two requests ask the same.
    """

    kind: Kind
    transaction_id: str
    occurred_at: datetime
    keys: tuple[EntityKey, ...]
    fields: Mapping[str, object]
    body: Mapping[str, object]
    explain: Explain
    caller: str
    idempotency_key: str | None
    digest: str
    named: bool
    """Whether the caller gave the id."""

    @property
    def stream(self) -> str:
        """The log's stream, which is also the model's name."""
        return f"fraud-{self.kind}"

    @property
    def occurred_at_us(self) -> int:
        """Microseconds since 1970 UTC."""
        return microseconds(self.occurred_at)


def read_case(document: Mapping[str, object], *, caller: str, idempotency_key: str | None, now: datetime) -> Case:
    """Check what a caller sent.

    Raises:
        Problem: 422 with a pointer for each field that is unknown, missing or wrong.
    """
    request = _validated(document)
    occurred_at = request.occurred_at or now.astimezone(UTC)
    _check_time(occurred_at, now)
    given = request.transaction_id or uuid.uuid4().hex
    if isinstance(request, RecordRequest):
        _check_record(request.kind, request.record)
    digest = request_digest(request.kind, document)
    if isinstance(request, CardRequest):
        fields = {
            "customer_id": request.customer_id,
            "terminal_id": request.terminal_id,
            "amount_minor": request.amount_minor,
            "currency": request.currency,
        }
        keys: tuple[EntityKey, ...] = (("customer", request.customer_id), ("terminal", request.terminal_id))
        body: dict[str, object] = {**fields, "occurred_at": occurred_at.isoformat()}
        return Case(
            "card",
            given,
            occurred_at,
            keys,
            {**fields, "occurred_at": occurred_at},
            body,
            request.explain,
            caller,
            idempotency_key,
            digest,
            request.transaction_id is not None,
        )
    fields = {**request.record, "occurred_at": occurred_at}
    body = {"record": request.record}
    named = request.transaction_id is not None
    return Case(
        request.kind, given, occurred_at, (), fields, body, request.explain, caller, idempotency_key, digest, named
    )


def request_digest(purpose: str, document: Mapping[str, object]) -> str:
    """Digest of what was asked, whatever the order of its fields."""
    kept = {name: value for name, value in document.items() if name not in _NOT_IN_DIGEST}
    text = json.dumps([purpose, kept], sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _validated(document: Mapping[str, object]) -> CardRequest | RecordRequest:
    names = document.keys() - set(_NOT_IN_DIGEST)
    longest = max(map(len, names), default=0)
    if len(names) > MOST_FIELDS or longest > MOST_NAME_CHARACTERS:
        allowed = f"at most {MOST_FIELDS} fields with names of at most {MOST_NAME_CHARACTERS} characters"
        detail = f"a case has {allowed}, received {len(names)} and {longest}; send those that /docs shows"
        raise Problem(422, detail=detail, errors=[FieldError("", detail)])
    kind = document.get("kind", "card")
    if kind not in KINDS:
        detail = f"must be one of {', '.join(KINDS)}; received {shown(kind)}"
        error = FieldError("/kind", detail)
        raise Problem(422, detail=f"/kind: {detail}", errors=[error], extensions={"allowed": list(KINDS)})
    try:
        return CardRequest.model_validate(document) if kind == "card" else RecordRequest.model_validate(document)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False)
        raise invalid([{**one, "loc": ("body", *one["loc"])} for one in found]) from error


def _check_time(occurred_at: datetime, now: datetime) -> None:
    received = f"received {occurred_at.isoformat()}, and it is {now.astimezone(UTC).isoformat(timespec='seconds')}"
    if occurred_at > now + FURTHEST_AHEAD:
        minutes = FURTHEST_AHEAD.seconds // 60
        detail = f"lies more than {minutes} minutes ahead of the clock; {received}; send the time of the transaction"
    elif occurred_at < now - OLDEST:
        detail = f"is older than {OLDEST.days} days, beyond what the windows reach; {received}"
    else:
        return
    raise Problem(422, detail=f"/occurred_at: {detail}", errors=[FieldError("/occurred_at", detail)])


def record_errors(kind: Kind, record: Mapping[str, object]) -> Sequence[FieldError]:
    """What is wrong with the raw fields of a detector; pointers are into the request."""
    from brain.fraud.detectors import check_record, misshapen  # which need `Kind` from here

    return misshapen(kind, record) or _unreadable(record) or check_record(kind, record)


def _check_record(kind: Kind, record: Mapping[str, object]) -> None:
    errors = record_errors(kind, record)
    if errors:
        detail = "; ".join(f"{error.pointer}: {error.detail}" for error in errors[:3])
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
        raise Problem(422, detail=detail + more, errors=errors)


def _unreadable(record: Mapping[str, object]) -> Sequence[FieldError]:
    """Fields with half of a surrogate pair: JSON can spell it, and nobody could be answered with it in UTF-8."""
    if _is_text(record):
        return ()
    detail = "holds half of a surrogate pair, which is no character; send text that UTF-8 can hold"
    names = [name for name, value in record.items() if not _is_text({name: value})]
    return [FieldError(json_pointer(("record", _spelled(name))), detail) for name in names]


def _is_text(record: Mapping[str, object]) -> bool:
    try:
        json.dumps(record, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _spelled(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()

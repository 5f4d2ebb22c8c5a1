"""The decision log: what was decided about which event, in one order, and what has to follow from it.

It knows no family. A *stream* is a name such as `fraud-card`; its events carry entity keys and a body. Sequences are
given to all streams from one counter, start at 1 and have no holes; 0 stands before the first event. They become
visible in their order: whoever has read up to a sequence never finds an event below it later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

EntityKey = tuple[str, str]
"""Type and id of an entity, such as `("customer", "C1")`; a type holds no colon."""

EventKind = Literal["transaction", "label"]
AlertState = Literal["open", "acknowledged"]
DeliveryState = Literal["pending", "delivered", "dead"]


@dataclass(frozen=True)
class NewAlert:
    """An alert to be raised with its event.

    Attributes:
        id: Chosen by the caller and unique; receivers tell repetitions by it.
        severity: The caller's own word.
        body: A JSON object.
        targets: Names of the webhook targets that are to be told; each becomes a delivery in the same transaction.
    """

    id: str
    severity: str
    body: Mapping[str, object]
    targets: Sequence[str] = ()


@dataclass(frozen=True)
class NewEvent:
    """One event to be appended, with what was decided about it.

    Attributes:
        stream: The stream it belongs to.
        kind: A transaction, or a label: what became known about an earlier event.
        event_id: Unique in its stream.
        keys: Entities that it concerns; may be empty.
        occurred_at_us: When it happened, microseconds since 1970 UTC.
        body: A JSON object.
        caller: Whose idempotency key it is.
        idempotency_key: The caller's own key, kept for 24 hours; None: none was given.
        request_digest: Digest of the request, which tells a repetition from a key or an id that is used again.
        decision: The answer, a JSON object whose `id` is unique in the log; None: nothing was decided.
        alert: To be raised with it.
        subject_id: For a label, the `event_id` that it speaks of.
    """

    stream: str
    kind: EventKind
    event_id: str
    keys: Sequence[EntityKey]
    occurred_at_us: int
    body: Mapping[str, object]
    caller: str
    idempotency_key: str | None
    request_digest: str
    decision: Mapping[str, object] | None = None
    alert: NewAlert | None = None
    subject_id: str | None = None


@dataclass(frozen=True)
class LoggedEvent:
    """An event as it stands in the log; fields as in `NewEvent`.

    `decision` is filled by `commit`, `find_key`, `find_event`, `find_decision` and the reads of decisions; `recent`
    and `read` leave it None, since those who fold events do not need it.
    """

    sequence: int
    committed_at: datetime
    stream: str
    kind: EventKind
    event_id: str
    keys: tuple[EntityKey, ...]
    occurred_at_us: int
    body: Mapping[str, object]
    caller: str
    request_digest: str
    decision: Mapping[str, object] | None
    alert_id: str | None
    subject_id: str | None


@dataclass(frozen=True)
class NewCommit:
    """What `DecisionLog.commit` is given."""

    events: Sequence[NewEvent]
    expected_head: Mapping[EntityKey, int] | None = None


@dataclass(frozen=True)
class Question:
    """What is asked about an event before it is decided.

    Attributes:
        stream: The stream it will belong to.
        keys: Entities that it concerns; may be empty.
        caller: Whose idempotency key it is.
        idempotency_key: Looked for as by `find_key`; None: not looked for.
        event_id: Looked for as by `find_event`; None: not looked for.
    """

    stream: str
    keys: Sequence[EntityKey]
    caller: str = ""
    idempotency_key: str | None = None
    event_id: str | None = None


@dataclass(frozen=True)
class Seen:
    """What the log says to a `Question`.

    Attributes:
        existing: The event with its key or, if there is none, the one with its id.
        recent: As of `DecisionLog.recent`; empty where there is an existing event.
    """

    existing: LoggedEvent | None
    recent: Sequence[LoggedEvent] = ()


@dataclass(frozen=True)
class LabelledEvent:
    """An event with its decision and the newest label that speaks of it, if one does."""

    event: LoggedEvent
    label: LoggedEvent | None


@dataclass(frozen=True)
class CursorState:
    """How far a reader has come; `touched_at` is its last sign of life, None before the first."""

    sequence: int
    touched_at: datetime | None


@dataclass(frozen=True)
class Alert:
    """An alert with what became of it; `sequence` is that of its event and orders alerts."""

    id: str
    sequence: int
    stream: str
    event_id: str
    severity: str
    body: Mapping[str, object]
    raised_at: datetime
    state: AlertState
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    note: str | None


@dataclass(frozen=True)
class AlertEvent:
    """One thing that happened to an alert; `number` grows without holes and is what a listener resumes from.

    `alert` is the alert as it stands when it is read.
    """

    number: int
    event: Literal["raised", "acknowledged"]
    at: datetime
    alert: Alert


@dataclass(frozen=True)
class Delivery:
    """One alert on its way to one target.

    Attributes:
        id: Grows with time.
        target: Name of the webhook target.
        state: Terminal once `delivered` or `dead`.
        attempts: Those recorded so far.
        epoch: Raised by each claim; only who holds the newest may record an attempt.
        due_at: Not before.
        last_error: What went wrong the last time; empty: nothing.
        alert: What to send.
    """

    id: int
    target: str
    state: DeliveryState
    attempts: int
    epoch: int
    due_at: datetime
    last_error: str
    alert: Alert

"""The decision log: what was decided about which event, in one order, and what has to follow from it.

It knows no family. A *stream* is a name such as `fraud-card`; its events carry entity keys and a body. Sequences are
given to all streams from one counter, start at 1 and have no holes; 0 stands before the first event. They become
visible in their order: whoever has read up to a sequence never finds an event below it later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

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


class Alerts(Protocol):
    """Alerts: raised by commits, acknowledged once."""

    def get(self, alert_id: str) -> Alert | None:
        """One alert; None if there is none."""
        ...

    def list(self, state: AlertState | None = None, before: int | None = None, limit: int = 100) -> Sequence[Alert]:
        """Alerts, newest first.

        Args:
            state: Only those in this state.
            before: Only those with a lower sequence: the last one of the page before.
            limit: Most that are returned.
        """
        ...

    def events(self, after: int, limit: int = 100) -> Sequence[AlertEvent]:
        """What happened to alerts after a number, ascending."""
        ...

    def last_number(self) -> int:
        """Number of the newest alert event; 0 before the first."""
        ...

    def acknowledge(self, alert_id: str, who: str, note: str = "") -> Alert:
        """Take notice of an alert.

        The first one stands: whoever comes later gets the alert with the first name in it.

        Raises:
            AlertNotFoundError: No such alert.
        """
        ...


class Deliveries(Protocol):
    """The outbox: every alert reaches every target at least once, unless it ends as dead."""

    def claim(self, limit: int, lease_seconds: float) -> Sequence[Delivery]:
        """Take deliveries that are due, oldest first; no other process gets them until the lease ends."""
        ...

    def delivered(self, delivery: Delivery) -> Delivery:
        """Record that the target took it.

        Raises:
            LeaseLostError: The lease ended and another process has claimed the delivery since.
        """
        ...

    def failed(self, delivery: Delivery, error: str, retry_in_seconds: float, max_attempts: int) -> Delivery:
        """Record a failed attempt; the delivery is due again later, or dead after its `max_attempts`-th.

        Raises:
            LeaseLostError: The lease ended and another process has claimed the delivery since.
        """
        ...

    def revive(self, delivery_id: int) -> Delivery:
        """Make a dead delivery due now, its attempts counted anew.

        Raises:
            DeliveryNotFoundError: No such delivery, or it is not dead.
        """
        ...

    def list(self, state: DeliveryState, before: int | None = None, limit: int = 100) -> Sequence[Delivery]:
        """Deliveries in a state, newest first; `before` is the last id of the page before."""
        ...

    def counts(self) -> Mapping[DeliveryState, int]:
        """How many deliveries are in each state."""
        ...

    def next_due(self) -> datetime | None:
        """When the next pending delivery can be claimed; None: nothing is pending."""
        ...


class RuleSets(Protocol):
    """Rule sets by their digest, so that a decision's rules can be read years later."""

    def put(self, digest: str, text: str) -> None:
        """Keep a text; idempotent.

        Raises:
            RuleSetConflictError: Another text is kept under this digest.
        """
        ...

    def get(self, digest: str) -> str | None:
        """The text; None if there is none."""
        ...


class DecisionLog(Protocol):
    """Append-only; blocking; safe to call from many threads."""

    @property
    def alerts(self) -> Alerts:
        """What was raised."""
        ...

    @property
    def deliveries(self) -> Deliveries:
        """What has to be sent."""
        ...

    @property
    def rule_sets(self) -> RuleSets:
        """What was decided by."""
        ...

    def find_key(self, caller: str, idempotency_key: str) -> LoggedEvent | None:
        """The event that was committed with a key in the last 24 hours; compare its `request_digest`."""
        ...

    def find_event(self, stream: str, event_id: str) -> LoggedEvent | None:
        """One event by its id."""
        ...

    def find_decision(self, decision_id: str) -> LoggedEvent | None:
        """The event whose decision has this `id`."""
        ...

    def neighbours(self, stream: str, event_id: str) -> Sequence[str]:
        """Up to two event ids beside one that is not there, in alphabetical order: to ask "did you mean"."""
        ...

    def recent(self, stream: str, keys: Sequence[EntityKey], after: int, limit: int) -> Sequence[LoggedEvent]:
        """Events of any of the keys after a sequence, ascending.

        A full page is cut at its newer end: read on after its last sequence.
        """
        ...

    def look(self, questions: Sequence[Question], after: int, limit: int) -> Sequence[Seen | Exception]:
        """Answer many questions in one read.

        Args:
            questions: Of any streams and callers.
            after: `recent` begins after this sequence.
            limit: Most events of one answer's `recent`, which is cut at its newer end.

        Returns:
            As many as there are questions, in their order. An exception: why this one alone cannot be answered.
        """
        ...

    def commit(
        self, events: Sequence[NewEvent], expected_head: Mapping[EntityKey, int] | None = None
    ) -> Sequence[LoggedEvent]:
        """Append events of one stream in one transaction: all of them, or none.

        An event whose idempotency key was committed before with the same request digest is not appended again: its
        place in the answer holds the first one, with the first decision.

        Args:
            events: In the order of their sequences. Ids and idempotency keys differ from one another.
            expected_head: For keys that were read, the sequence up to which the caller knows their events. None: the
                decision rests on nothing that was read.

        Returns:
            As many events as were given, in the same order.

        Raises:
            DuplicateEventError: Events with these ids are in the log; carries them.
            KeyReusedError: Idempotency keys were used with other requests; says which.
            HeadMovedError: An event of one of the keys was committed since: read again and decide again.
            ValueError: Several streams, or the same id or key twice.
        """
        ...

    def commit_many(self, commits: Sequence[NewCommit]) -> Sequence[Sequence[LoggedEvent] | Exception]:
        """Make many commits, each after those before it, in one transaction as long as the database takes them.

        Each is made or refused for itself: what is wrong with one leaves the others whole.

        Returns:
            For each in their order what `commit` returns, or the exception that it raises; durable by then.
        """
        ...

    def read(self, stream: str, after: int, limit: int) -> Sequence[LoggedEvent]:
        """Events of a stream after a sequence, ascending."""
        ...

    def head(self, stream: str) -> int:
        """Sequence of the newest event of a stream; 0 before the first."""
        ...

    def cursor(self, name: str) -> int:
        """How far a reader has come; 0 before its first step."""
        ...

    def cursor_state(self, name: str) -> CursorState:
        """How far a reader has come and when it was last heard of."""
        ...

    def set_cursor(self, name: str, sequence: int) -> int:
        """Move a reader forward and note the time; a lower sequence only notes the time. Returns where it stands."""
        ...

    def decisions(self, stream: str, after: int, limit: int) -> Sequence[LabelledEvent]:
        """Events with a decision after a sequence, ascending, each with its newest label."""
        ...

    def latest_decisions(self, stream: str, limit: int) -> Sequence[LoggedEvent]:
        """The newest events with a decision, ascending."""
        ...

    def labels(self, stream: str, after: int, limit: int) -> Sequence[LoggedEvent]:
        """Label events after a sequence, ascending."""
        ...

    def forget_keys(self) -> int:
        """Delete idempotency keys that are older than 24 hours; returns how many."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...

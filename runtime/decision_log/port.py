"""What a decision log does; what it keeps is in `records`."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from runtime.decision_log.records import (
    Alert,
    AlertEvent,
    AlertState,
    CursorState,
    Delivery,
    DeliveryState,
    EntityKey,
    LabelledEvent,
    LoggedEvent,
    NewCommit,
    NewEvent,
    Question,
    Seen,
)


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

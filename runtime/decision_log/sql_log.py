"""The decision log in SQL."""

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.sql.elements import BindParameter

from runtime.decision_log.append import Commit
from runtime.decision_log.cursors import SqlCursors
from runtime.decision_log.database import Database, as_list
from runtime.decision_log.group_commit import GroupCommit
from runtime.decision_log.known import KEY_LIFETIME_US, events_by_key
from runtime.decision_log.look import look, recent
from runtime.decision_log.records import (
    CursorState,
    EntityKey,
    LabelledEvent,
    LoggedEvent,
    NewCommit,
    NewEvent,
    Question,
    Seen,
)
from runtime.decision_log.rows import (
    AnySelect,
    labelled_events,
    plain_event,
    plain_events,
    whole_event,
    whole_events,
)
from runtime.decision_log.schema import decisions, events, idempotency_keys
from runtime.decision_log.sql_alerts import SqlAlerts
from runtime.decision_log.sql_deliveries import SqlDeliveries
from runtime.decision_log.sql_rule_sets import SqlRuleSets
from runtime.moments import system_microseconds


class SqlDecisionLog:
    """See `DecisionLog`.

    Args:
        database_url: `sqlite:///…` or `postgresql://…`.
        clock: Microseconds since 1970 UTC.
    """

    def __init__(self, database_url: str, clock: Callable[[], int] = system_microseconds) -> None:
        self._database = Database(database_url, clock)
        self._commits = GroupCommit(self._database)
        self._cursors = SqlCursors(self._database)
        self.alerts = SqlAlerts(self._database)
        self.deliveries = SqlDeliveries(self._database)
        self.rule_sets = SqlRuleSets(self._database)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def find_key(self, caller: str, idempotency_key: str) -> LoggedEvent | None:
        """The event that was committed with a key in the last 24 hours; compare its `request_digest`."""
        dialect = self._database.dialect
        keys, since_us = as_list([idempotency_key], dialect), self._database.now() - KEY_LIFETIME_US
        return self._one(events_by_key(dialect), caller=caller, keys=keys, since_us=since_us)

    def find_event(self, stream: str, event_id: str) -> LoggedEvent | None:
        """One event by its id."""
        return self._one(_EVENT_BY_ID, stream=stream, event_id=event_id)

    def find_decision(self, decision_id: str) -> LoggedEvent | None:
        """The event whose decision has this `id`."""
        return self._one(_EVENT_BY_DECISION, decision_id=decision_id)

    def neighbours(self, stream: str, event_id: str) -> Sequence[str]:
        """Up to two event ids beside one that is not there, in alphabetical order: to ask "did you mean"."""
        own = select(events.c.event_id).where(events.c.stream == stream, events.c.kind == "transaction").limit(1)
        with self._database.reading() as connection:
            below = connection.scalar(own.where(events.c.event_id < event_id).order_by(events.c.event_id.desc()))
            above = connection.scalar(own.where(events.c.event_id > event_id).order_by(events.c.event_id))
        return [found for found in (below, above) if found is not None]

    def recent(self, stream: str, keys: Sequence[EntityKey], after: int, limit: int) -> Sequence[LoggedEvent]:
        """Events of any of the keys after a sequence, ascending; see `DecisionLog.recent`."""
        if not keys:
            return []
        with self._database.looking() as reader:
            return recent(reader, stream, keys, after, limit)

    def look(self, questions: Sequence[Question], after: int, limit: int) -> Sequence[Seen | Exception]:
        """Answer many questions in one read; see `DecisionLog.look`."""
        return look(self._database, questions, after, limit)

    def commit(
        self, events: Sequence[NewEvent], expected_head: Mapping[EntityKey, int] | None = None
    ) -> Sequence[LoggedEvent]:
        """Append events of one stream in one transaction, all of them or none; see `DecisionLog.commit`."""
        (outcome,) = self.commit_many([NewCommit(events, expected_head)])
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def commit_many(self, commits: Sequence[NewCommit]) -> Sequence[Sequence[LoggedEvent] | Exception]:
        """Make many commits, each after those before it; see `DecisionLog.commit_many`."""
        made = [Commit(one.events, one.expected_head or {}) for one in commits]
        if sound := [one for one in made if one.check() and one.events]:
            self._commits.run(sound)
        return [one.answer if one.error is None else one.error for one in made]

    def read(self, stream: str, after: int, limit: int) -> Sequence[LoggedEvent]:
        """Events of a stream after a sequence, ascending."""
        return self._many(_IN_ORDER, stream=stream, after=after, limit=limit)

    def head(self, stream: str) -> int:
        """Sequence of the newest event of a stream; 0 before the first."""
        with self._database.reading() as connection:
            return int(connection.scalar(_HEAD, {"stream": stream}) or 0)

    def cursor(self, name: str) -> int:
        """How far a reader has come; 0 before its first step."""
        return self._cursors.get(name).sequence

    def cursor_state(self, name: str) -> CursorState:
        """How far a reader has come and when it was last heard of."""
        return self._cursors.get(name)

    def set_cursor(self, name: str, sequence: int) -> int:
        """Move a reader forward and note the time; a lower sequence only notes the time. Returns where it stands."""
        return self._cursors.put(name, sequence)

    def decisions(self, stream: str, after: int, limit: int) -> Sequence[LabelledEvent]:
        """Events with a decision after a sequence, ascending, each with its newest label."""
        with self._database.reading() as connection:
            rows = connection.execute(_DECISIONS, {"stream": stream, "after": after, "limit": limit})
            return labelled_events(connection, rows.all())

    def latest_decisions(self, stream: str, limit: int) -> Sequence[LoggedEvent]:
        """The newest events with a decision, ascending."""
        with self._database.reading() as connection:
            rows = connection.execute(_LATEST_DECISIONS, {"stream": stream, "limit": limit}).all()
        return [whole_event(row) for row in reversed(rows)]

    def labels(self, stream: str, after: int, limit: int) -> Sequence[LoggedEvent]:
        """Label events after a sequence, ascending."""
        return self._many(_LABELS, stream=stream, after=after, limit=limit)

    def forget_keys(self) -> int:
        """Delete idempotency keys that are older than 24 hours; returns how many."""
        old = idempotency_keys.c.created_at_us <= self._database.now() - KEY_LIFETIME_US
        with self._database.writing() as connection:
            return connection.execute(delete(idempotency_keys).where(old)).rowcount

    def _one(self, statement: AnySelect, **parameters: object) -> LoggedEvent | None:
        with self._database.reading() as connection:
            row = connection.execute(statement, parameters).first()
            return None if row is None else whole_event(row)

    def _many(self, statement: AnySelect, **parameters: object) -> list[LoggedEvent]:
        with self._database.reading() as connection:
            return [plain_event(row) for row in connection.execute(statement, parameters)]


_OF_STREAM = events.c.stream == bindparam("stream")
_AFTER = events.c.sequence > bindparam("after")
_PAGE: BindParameter[int] = bindparam("limit")

_EVENT_BY_ID = whole_events().where(_OF_STREAM, events.c.event_id == bindparam("event_id"))
_EVENT_BY_DECISION = whole_events().where(decisions.c.decision_id == bindparam("decision_id"))
_IN_ORDER = plain_events().where(_OF_STREAM, _AFTER).order_by(events.c.sequence).limit(_PAGE)
_LABELS = _IN_ORDER.where(events.c.kind == "label")
_HEAD = select(func.max(events.c.sequence)).where(_OF_STREAM)
_DECIDED = whole_events().where(decisions.c.stream == bindparam("stream"))
_DECISIONS = _DECIDED.where(decisions.c.sequence > bindparam("after")).order_by(decisions.c.sequence).limit(_PAGE)
_LATEST_DECISIONS = _DECIDED.order_by(decisions.c.sequence.desc()).limit(_PAGE)

"""Commits that share a transaction: what each must not break, and the rows that they add together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from sqlalchemy import Connection, Insert, Select, Table, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from runtime.decision_log.errors import CommitRefusedError
from runtime.decision_log.known import Known
from runtime.decision_log.layout import LaidOut
from runtime.decision_log.quick import insert_text, reader
from runtime.decision_log.records import EntityKey, LoggedEvent, NewEvent
from runtime.decision_log.rows import entity
from runtime.decision_log.schema import (
    alert_events,
    alerts,
    decisions,
    deliveries,
    event_keys,
    events,
    idempotency_keys,
)


@dataclass(eq=False)
class Commit:
    """One commit, with its outcome once the transaction has ended well."""

    events: Sequence[NewEvent]
    expected_head: Mapping[EntityKey, int]
    answer: Sequence[LoggedEvent] = field(default_factory=list)
    error: Exception | None = None

    def check(self) -> bool:
        """Whether the events can be one commit and the entities are named as they should be; else the error says."""
        try:
            self._check()
        except (ValueError, TypeError) as error:
            self.error = error
        return self.error is None

    def _check(self) -> None:
        for key in self.expected_head:
            entity(key)
        streams = {event.stream for event in self.events}
        if len(streams) > 1:
            raise ValueError(f"a commit holds events of one stream, received {sorted(streams)}; commit each on its own")
        named: dict[str, list[object]] = {
            "event id": [event.event_id for event in self.events],
            "idempotency key": [
                (event.caller, event.idempotency_key) for event in self.events if event.idempotency_key
            ],
            "decision id": [event.decision.get("id") for event in self.events if event.decision is not None],
        }
        for what, names in named.items():
            if len(set(names)) < len(names):
                twice = next(name for name in names if names.count(name) > 1)
                raise ValueError(f"{what} {twice!r} stands in one commit twice; send its second event with the next")
        nameless = [
            event.event_id for event in self.events if event.decision is not None and not event.decision.get("id")
        ]
        if nameless:
            raise ValueError(f"the decision about event {nameless[0]!r} has no `id`; give every decision one")


def append(connection: Connection, commits: Sequence[Commit], now_us: int) -> None:
    """Append commits in their order, within a transaction that no other writer's overlaps.

    Each sees those before it. One that is refused, or that cannot be laid out as rows, gets its error and adds nothing.

    Args:
        connection: In the transaction; what the commits get as their answer stands once it has ended well.
        commits: Each gets its answer or its error.
        now_us: When they are committed.
    """
    read = reader(connection)
    known = Known.read(read, [(one.events, one.expected_head) for one in commits], now_us)
    sequence = read.rows(_next_sequence)[0].next
    rows = LaidOut(now_us)
    for commit in commits:
        own = LaidOut(now_us)
        try:
            commit.answer, commit.error = _lay_out(commit, known, own, sequence), None
        except (CommitRefusedError, ValueError, TypeError) as error:
            commit.error = error
        else:
            known.note(commit.events, commit.answer, sequence)
            rows.extend(own)
            sequence += len(own.events)
    _insert(connection, rows)


def _lay_out(commit: Commit, known: Known, rows: LaidOut, sequence: int) -> list[LoggedEvent]:
    logged = known.answered(commit.events)
    fresh = {place: event for place, event in enumerate(commit.events) if place not in logged}
    if fresh:
        known.refuse_duplicates(fresh)
        known.refuse_moved(commit.events[0].stream, commit.expected_head)
        logged |= {place: rows.add(event, sequence + number) for number, (place, event) in enumerate(fresh.items())}
    return [logged[place] for place in range(len(commit.events))]


def _insert(connection: Connection, rows: LaidOut) -> None:
    if rows.alert_events:
        number = connection.execute(NEXT_ALERT_NUMBER).scalar_one()
        rows.alert_events = [{**row, "number": number + place} for place, row in enumerate(rows.alert_events)]
    for table, added in (
        (events, rows.events),
        (event_keys, rows.event_keys),
        (decisions, rows.decisions),
        (idempotency_keys, rows.idempotency_keys),
        (alerts, rows.alerts),
        (alert_events, rows.alert_events),
        (deliveries, rows.deliveries),
    ):
        if added:
            connection.exec_driver_sql(_insert_into(table, tuple(added[0]), connection.dialect.name), added)


@cache
def _insert_into(table: Table, columns: Sequence[str], dialect: str) -> str:
    statement = _put_idempotency_keys(dialect) if table is idempotency_keys else insert(table).inline()
    return insert_text(statement, columns, dialect)


def _put_idempotency_keys(dialect: str) -> Insert:
    """An insert that takes the place of a key that has run out and was not deleted yet."""
    put = postgresql.insert(idempotency_keys) if dialect == "postgresql" else sqlite.insert(idempotency_keys)
    newer = {"sequence": put.excluded.sequence, "created_at_us": put.excluded.created_at_us}
    return put.on_conflict_do_update(index_elements=["caller", "idempotency_key"], set_=newer)


def _next_sequence(_dialect: str) -> "Select[int]":
    return select((func.coalesce(func.max(events.c.sequence), 0) + 1).label("next"))


NEXT_ALERT_NUMBER = select(func.coalesce(func.max(alert_events.c.number), 0) + 1)
INSERT_ALERT_EVENTS = insert(alert_events)

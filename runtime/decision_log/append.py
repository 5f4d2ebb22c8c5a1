"""One commit: what it must not break, and the rows that it adds."""

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import groupby
from operator import itemgetter

from sqlalchemy import Connection, Insert, Select, bindparam, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from runtime.decision_log.database import among, as_list
from runtime.decision_log.errors import DuplicateEventError, HeadMovedError, KeyReusedError
from runtime.decision_log.layout import LaidOut
from runtime.decision_log.port import EntityKey, LoggedEvent, NewEvent
from runtime.decision_log.rows import AnySelect, entity, entity_key, whole_event, whole_events
from runtime.decision_log.schema import (
    alert_events,
    alerts,
    decisions,
    deliveries,
    event_keys,
    events,
    idempotency_keys,
)

KEY_LIFETIME_US = 24 * 3600 * 1_000_000
"""How long an idempotency key is kept."""


def check_batch(new: Sequence[NewEvent]) -> None:
    """Raise `ValueError` unless the events can be one commit."""
    streams = {event.stream for event in new}
    if len(streams) > 1:
        raise ValueError(f"a commit holds events of one stream, received {sorted(streams)}; commit each on its own")
    named: dict[str, list[object]] = {
        "event id": [event.event_id for event in new],
        "idempotency key": [(event.caller, event.idempotency_key) for event in new if event.idempotency_key],
        "decision id": [event.decision.get("id") for event in new if event.decision is not None],
    }
    for what, names in named.items():
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"{what} {twice!r} stands in one commit twice; send its second event with the next commit")
    nameless = [event.event_id for event in new if event.decision is not None and not event.decision.get("id")]
    if nameless:
        raise ValueError(f"the decision about event {nameless[0]!r} has no `id`; give every decision one")


def append(
    connection: Connection, new: Sequence[NewEvent], expected_head: Mapping[EntityKey, int] | None, now_us: int
) -> list[LoggedEvent]:
    """Append within a transaction that no other writer's overlaps; see `DecisionLog.commit`."""
    answered = _answered(connection, new, now_us)
    fresh = {place: event for place, event in enumerate(new) if place not in answered}
    if fresh:
        _refuse_duplicates(connection, fresh)
        _refuse_moved(connection, new[0].stream, expected_head or {})
        answered |= zip(fresh, _insert(connection, list(fresh.values()), now_us), strict=True)
    return [answered[place] for place in range(len(new))]


def _answered(connection: Connection, new: Sequence[NewEvent], now_us: int) -> dict[int, LoggedEvent]:
    """What was committed with the same keys, by place in the commit."""
    keyed = sorted(
        (event.caller, event.idempotency_key, place) for place, event in enumerate(new) if event.idempotency_key
    )
    found: dict[int, LoggedEvent] = {}
    for caller, group in groupby(keyed, key=itemgetter(0)):
        places = {key: place for _, key, place in group}
        parameters = {
            "caller": caller,
            "since_us": now_us - KEY_LIFETIME_US,
            "keys": as_list(list(places), connection.dialect.name),
        }
        for row in connection.execute(events_by_key(connection.dialect.name), parameters):
            found[places[row.idempotency_key]] = whole_event(row)
    reused = {place: one for place, one in found.items() if one.request_digest != new[place].request_digest}
    if reused:
        raise KeyReusedError(reused)
    return found


def _refuse_duplicates(connection: Connection, fresh: Mapping[int, NewEvent]) -> None:
    places = {event.event_id: place for place, event in fresh.items()}
    stream = next(iter(fresh.values())).stream
    dialect = connection.dialect.name
    found = connection.execute(_events_by_id(dialect), {"stream": stream, "ids": as_list(list(places), dialect)})
    existing = {places[row.event_id]: whole_event(row) for row in found}
    if existing:
        raise DuplicateEventError(stream, existing)


def _refuse_moved(connection: Connection, stream: str, expected: Mapping[EntityKey, int]) -> None:
    if not expected:
        return
    dialect = connection.dialect.name
    parameters = {
        "stream": stream,
        "after": min(expected.values()),
        "entities": as_list([entity(key) for key in expected], dialect),
    }
    heads = {entity_key(row.entity): row.head for row in connection.execute(_heads(dialect), parameters)}
    moved = {key: head for key, head in heads.items() if head > expected[key]}
    if moved:
        raise HeadMovedError(moved)


def _insert(connection: Connection, new: Sequence[NewEvent], now_us: int) -> list[LoggedEvent]:
    first = connection.execute(_NEXT_SEQUENCE).scalar_one()
    rows = LaidOut(now_us)
    logged = [rows.add(event, first + place) for place, event in enumerate(new)]
    if rows.alert_events:
        number = connection.execute(NEXT_ALERT_NUMBER).scalar_one()
        rows.alert_events = [{**row, "number": number + place} for place, row in enumerate(rows.alert_events)]
    for statement, added in (
        (_INSERT_EVENTS, rows.events),
        (_INSERT_EVENT_KEYS, rows.event_keys),
        (_INSERT_DECISIONS, rows.decisions),
        (_put_idempotency_keys(connection.dialect.name), rows.idempotency_keys),
        (_INSERT_ALERTS, rows.alerts),
        (INSERT_ALERT_EVENTS, rows.alert_events),
        (_INSERT_DELIVERIES, rows.deliveries),
    ):
        if added:
            connection.execute(statement, added)
    return logged


@cache
def events_by_key(dialect: str) -> AnySelect:
    """Whole events that were committed with one of `keys` by `caller` after `since_us`, with their key."""
    return (
        whole_events()
        .add_columns(idempotency_keys.c.idempotency_key)
        .join(idempotency_keys, idempotency_keys.c.sequence == events.c.sequence)
        .where(
            idempotency_keys.c.caller == bindparam("caller"),
            among(idempotency_keys.c.idempotency_key, "keys", dialect),
            idempotency_keys.c.created_at_us > bindparam("since_us"),
        )
    )


@cache
def _events_by_id(dialect: str) -> AnySelect:
    return whole_events().where(events.c.stream == bindparam("stream"), among(events.c.event_id, "ids", dialect))


@cache
def _heads(dialect: str) -> "Select[tuple[str, int]]":
    return (
        select(event_keys.c.entity, func.max(event_keys.c.sequence).label("head"))
        .where(
            event_keys.c.stream == bindparam("stream"),
            among(event_keys.c.entity, "entities", dialect),
            event_keys.c.sequence > bindparam("after"),
        )
        .group_by(event_keys.c.entity)
    )


@cache
def _put_idempotency_keys(dialect: str) -> Insert:
    """An insert that takes the place of a key that has run out and was not deleted yet."""
    put = postgresql.insert(idempotency_keys) if dialect == "postgresql" else sqlite.insert(idempotency_keys)
    newer = {"sequence": put.excluded.sequence, "created_at_us": put.excluded.created_at_us}
    return put.on_conflict_do_update(index_elements=["caller", "idempotency_key"], set_=newer)


NEXT_ALERT_NUMBER = select(func.coalesce(func.max(alert_events.c.number), 0) + 1)
INSERT_ALERT_EVENTS = insert(alert_events)

_NEXT_SEQUENCE = select(func.coalesce(func.max(events.c.sequence), 0) + 1)
_INSERT_EVENTS = insert(events)
_INSERT_EVENT_KEYS = insert(event_keys)
_INSERT_DECISIONS = insert(decisions)
_INSERT_ALERTS = insert(alerts)
_INSERT_DELIVERIES = insert(deliveries)

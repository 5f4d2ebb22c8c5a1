"""Between rows and the shapes of the port."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import cast

from sqlalchemy import Connection, Select, bindparam, select

from runtime.decision_log.database import among, as_list
from runtime.decision_log.quick import AnyRow
from runtime.decision_log.records import Alert, EntityKey, LabelledEvent, LoggedEvent
from runtime.decision_log.schema import alert_events, alerts, decisions, events
from runtime.moments import moment

AnySelect = Select[tuple[object, ...]]

_JSON = json.JSONEncoder(separators=(",", ":"), allow_nan=False, check_circular=False)


def entity(key: EntityKey) -> str:
    """How a key stands in the log.

    Raises:
        ValueError: The type is empty or holds a colon.
    """
    if not key[0] or ":" in key[0]:
        raise ValueError(f"a type of entity is a name without a colon, received {key[0]!r}")
    return f"{key[0]}:{key[1]}"


def entity_key(text: str) -> EntityKey:
    """The inverse of `entity`."""
    kind, _, name = text.partition(":")
    return kind, name


def to_json(value: Mapping[str, object]) -> str:
    """Compact JSON text.

    Raises:
        ValueError: A number is not finite.
    """
    return _JSON.encode(value)


def plain_events() -> AnySelect:
    """Events without what was decided about them."""
    return cast(AnySelect, select(events))


def whole_events() -> AnySelect:
    """Events with their decision and the id of their alert."""
    joined = events.outerjoin(decisions, decisions.c.sequence == events.c.sequence)
    joined = joined.outerjoin(alerts, alerts.c.sequence == events.c.sequence)
    return cast(AnySelect, select(events, decisions.c.body.label("decision"), alerts.c.alert_id).select_from(joined))


def plain_event(row: AnyRow) -> LoggedEvent:
    """An event from a row of `plain_events`."""
    return _event(row, None, None)


def whole_event(row: AnyRow) -> LoggedEvent:
    """An event from a row of `whole_events`."""
    return _event(row, None if row.decision is None else json.loads(row.decision), row.alert_id)


def _event(row: AnyRow, decision: Mapping[str, object] | None, alert_id: str | None) -> LoggedEvent:
    return LoggedEvent(
        sequence=row.sequence,
        committed_at=moment(row.committed_at_us),
        stream=row.stream,
        kind=row.kind,
        event_id=row.event_id,
        keys=tuple(entity_key(one) for one in json.loads(row.entities)),
        occurred_at_us=row.occurred_at_us,
        body=json.loads(row.body),
        caller=row.caller,
        request_digest=row.request_digest,
        decision=decision,
        alert_id=alert_id,
        subject_id=row.subject_id,
    )


def labelled_events(connection: Connection, rows: Sequence[AnyRow]) -> list[LabelledEvent]:
    """Events of one stream, each with the newest label that speaks of it."""
    decided = [whole_event(row) for row in rows]
    if not decided:
        return []
    dialect = connection.dialect.name
    parameters = {"stream": decided[0].stream, "ids": as_list([event.event_id for event in decided], dialect)}
    found = connection.execute(_labels_about(dialect), parameters)
    newest = {label.subject_id: label for label in map(plain_event, found)}
    return [LabelledEvent(event, newest.get(event.event_id)) for event in decided]


@cache
def _labels_about(dialect: str) -> AnySelect:
    wanted = (events.c.stream == bindparam("stream")) & (events.c.kind == "label")
    about = among(events.c.subject_id, "ids", dialect)
    return plain_events().where(wanted, events.c.subject_id.is_not(None), about).order_by(events.c.sequence)


def alerts_with_their_state() -> AnySelect:
    """Alerts with the event that they were raised by and the acknowledgement, if there is one."""
    taken = alert_events.alias("taken")
    joined = alerts.join(events, events.c.sequence == alerts.c.sequence).outerjoin(
        taken, (taken.c.alert_id == alerts.c.alert_id) & (taken.c.event == "acknowledged")
    )
    columns = (
        *(alerts, events.c.stream, events.c.event_id, events.c.committed_at_us),
        *(taken.c.at_us.label("acknowledged_at_us"), taken.c.who, taken.c.note),
    )
    return cast(AnySelect, select(*columns).select_from(joined))


def alert(row: AnyRow) -> Alert:
    """An alert from a row of `alerts_with_their_state`."""
    taken_us = row.acknowledged_at_us
    return Alert(
        id=row.alert_id,
        sequence=row.sequence,
        stream=row.stream,
        event_id=row.event_id,
        severity=row.severity,
        body=json.loads(row.body),
        raised_at=moment(row.committed_at_us),
        state="open" if taken_us is None else "acknowledged",
        acknowledged_at=None if taken_us is None else moment(taken_us),
        acknowledged_by=row.who,
        note=row.note,
    )

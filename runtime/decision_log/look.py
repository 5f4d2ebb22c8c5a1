"""What the log holds of events that are to be decided, for many of them in one read."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache

from sqlalchemy import bindparam, select
from sqlalchemy.exc import OperationalError, TimeoutError

from runtime.decision_log.database import Database, among, as_list
from runtime.decision_log.known import find_ids, find_keys
from runtime.decision_log.quick import AnyRow, Reader
from runtime.decision_log.records import EntityKey, LoggedEvent, Question, Seen
from runtime.decision_log.rows import AnySelect, entity, plain_event, plain_events
from runtime.decision_log.schema import event_keys, events


def look(database: Database, questions: Sequence[Question], after: int, limit: int) -> Sequence[Seen | Exception]:
    """Answer questions together; where the database does not take one of them, each alone. See `DecisionLog.look`."""
    try:
        with database.looking() as reader:
            return _answers(reader, questions, after, limit, database.now())
    except (OperationalError, TimeoutError):
        raise
    except Exception as error:  # noqa: BLE001 - it is the outcome of the one question that it is about
        if len(questions) == 1:
            return [error]
        return [outcome for one in questions for outcome in look(database, [one], after, limit)]


def recent(reader: Reader, stream: str, keys: Iterable[EntityKey], after: int, limit: int) -> Sequence[LoggedEvent]:
    """See `DecisionLog.recent`."""
    return [plain_event(row) for row in _rows(reader, stream, keys, after, limit)]


def _answers(
    reader: Reader, questions: Sequence[Question], after: int, limit: int, now_us: int
) -> list[Seen | Exception]:
    by_key = find_keys(reader, _grouped((one.caller, one.idempotency_key) for one in questions), now_us)
    by_id = find_ids(reader, _grouped((one.stream, one.event_id) for one in questions))
    seen: list[Seen | Exception] = []
    fresh: dict[str, dict[int, Question]] = {}
    for place, one in enumerate(questions):
        existing = None if one.idempotency_key is None else by_key.get((one.caller, one.idempotency_key))
        if existing is None and one.event_id is not None:
            existing = by_id.get((one.stream, one.event_id))
        seen.append(Seen(existing))
        if existing is None and one.keys:
            fresh.setdefault(one.stream, {})[place] = one
    for stream, asked in fresh.items():
        for place, found in _recents(reader, stream, asked, after, limit).items():
            seen[place] = Seen(None, found)
    return seen


def _grouped(names: Iterable[tuple[str, str | None]]) -> Mapping[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for group, name in names:
        if name is not None:
            groups.setdefault(group, []).append(name)
    return groups


def _recents(
    reader: Reader, stream: str, asked: Mapping[int, Question], after: int, limit: int
) -> Mapping[int, Sequence[LoggedEvent]]:
    """Each one's events, read together as long as no answer can be cut by it: else by halves."""
    rows = _rows(reader, stream, {key: None for one in asked.values() for key in one.keys}, after, limit)
    if len(rows) >= limit and len(asked) > 1:
        half, places = len(asked) // 2, list(asked)
        parts = ({place: asked[place] for place in part} for part in (places[:half], places[half:]))
        return {place: found for part in parts for place, found in _recents(reader, stream, part, after, limit).items()}
    by_key: dict[EntityKey, list[LoggedEvent]] = {}
    for event in map(plain_event, rows):
        for key in event.keys:
            by_key.setdefault(key, []).append(event)
    return {place: _ascending(by_key.get(key, ()) for key in one.keys) for place, one in asked.items()}


def _ascending(parts: Iterable[Iterable[LoggedEvent]]) -> Sequence[LoggedEvent]:
    found = {event.sequence: event for part in parts for event in part}
    return [found[sequence] for sequence in sorted(found)]


def _rows(reader: Reader, stream: str, keys: Iterable[EntityKey], after: int, limit: int) -> Sequence[AnyRow]:
    entities = as_list([entity(key) for key in keys], reader.dialect)
    return reader.rows(_recent, stream=stream, entities=entities, after=after, limit=limit)


@cache
def _recent(dialect: str) -> AnySelect:
    of_keys = select(event_keys.c.sequence).where(
        event_keys.c.stream == bindparam("stream"),
        among(event_keys.c.entity, "entities", dialect),
        event_keys.c.sequence > bindparam("after"),
    )
    newer = plain_events().where(events.c.sequence.in_(of_keys)).order_by(events.c.sequence)
    return newer.limit(bindparam("limit"))

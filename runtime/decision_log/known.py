"""What the log holds already of what some commits name: keys, ids and heads of entities."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from sqlalchemy import Select, bindparam, func, select

from runtime.decision_log.database import among, as_list, listed
from runtime.decision_log.errors import DuplicateEventError, HeadMovedError, KeyReusedError
from runtime.decision_log.quick import Reader
from runtime.decision_log.records import EntityKey, LoggedEvent, NewEvent
from runtime.decision_log.rows import AnySelect, entity, entity_key, whole_event, whole_events
from runtime.decision_log.schema import event_keys, events, idempotency_keys

KEY_LIFETIME_US = 24 * 3600 * 1_000_000
"""How long an idempotency key is kept."""

Named = tuple[Sequence[NewEvent], Mapping[EntityKey, int]]
"""Events of one stream, and the heads that were expected."""


@dataclass
class Known:
    """Read once for all commits of a transaction; `note` adds what each of them appends."""

    keys: dict[tuple[str, str], LoggedEvent] = field(default_factory=dict)
    """By caller and idempotency key."""
    ids: dict[tuple[str, str], LoggedEvent] = field(default_factory=dict)
    """By stream and event id."""
    heads: dict[tuple[str, EntityKey], int] = field(default_factory=dict)
    """Newest sequence by stream and entity."""

    @classmethod
    def read(cls, reader: Reader, commits: Sequence[Named], now_us: int) -> "Known":
        """Ask the log, with one query for each caller and two for each stream."""
        keys, ids, entities = _grouped(commits)
        known = cls(find_keys(reader, keys, now_us), find_ids(reader, ids))
        for stream, names in entities.items():
            for row in reader.rows(_heads, stream=stream, entities=as_list(names, reader.dialect)):
                known.heads[stream, entity_key(row.name)] = row.head or 0
        return known

    def note(self, new: Sequence[NewEvent], logged: Sequence[LoggedEvent], first: int) -> None:
        """Add what a commit appended: those of its events whose sequence is at least `first`."""
        for event, one in zip(new, logged, strict=True):
            if one.sequence < first:
                continue
            self.ids[event.stream, event.event_id] = one
            if event.idempotency_key:
                self.keys[event.caller, event.idempotency_key] = one
            self.heads |= {(event.stream, key): one.sequence for key in one.keys}

    def answered(self, new: Sequence[NewEvent]) -> dict[int, LoggedEvent]:
        """What was committed with the same keys, by place in the commit.

        Raises:
            KeyReusedError: With another request.
        """
        keyed = {place: (event.caller, event.idempotency_key or "") for place, event in enumerate(new)}
        found = {place: self.keys[key] for place, key in keyed.items() if key[1] and key in self.keys}
        reused = {place: one for place, one in found.items() if one.request_digest != new[place].request_digest}
        if reused:
            raise KeyReusedError(reused)
        return found

    def refuse_duplicates(self, fresh: Mapping[int, NewEvent]) -> None:
        """Raise `DuplicateEventError` if one of the ids, by place in the commit, is there."""
        named = {place: (event.stream, event.event_id) for place, event in fresh.items()}
        existing = {place: self.ids[name] for place, name in named.items() if name in self.ids}
        if existing:
            raise DuplicateEventError(next(iter(existing.values())).stream, existing)

    def refuse_moved(self, stream: str, expected: Mapping[EntityKey, int]) -> None:
        """Raise `HeadMovedError` if an entity has a newer event than was expected."""
        heads = {key: self.heads.get((stream, key), 0) for key in expected}
        moved = {key: head for key, head in heads.items() if head > expected[key]}
        if moved:
            raise HeadMovedError(moved)


_Grouped = dict[str, list[str]]


def find_keys(reader: Reader, names: Mapping[str, Sequence[str]], now_us: int) -> dict[tuple[str, str], LoggedEvent]:
    """Events by caller and idempotency key, of the keys that are given by caller."""
    since_us = now_us - KEY_LIFETIME_US
    return {
        (caller, row.idempotency_key): whole_event(row)
        for caller, keys in names.items()
        for row in reader.rows(events_by_key, caller=caller, keys=as_list(keys, reader.dialect), since_us=since_us)
    }


def find_ids(reader: Reader, names: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], LoggedEvent]:
    """Events by stream and id, of the ids that are given by stream."""
    return {
        (stream, row.event_id): whole_event(row)
        for stream, ids in names.items()
        for row in reader.rows(_events_by_id, stream=stream, ids=as_list(ids, reader.dialect))
    }


def _grouped(commits: Sequence[Named]) -> tuple[_Grouped, _Grouped, _Grouped]:
    """Idempotency keys by caller, event ids by stream, entities by stream."""
    keys: _Grouped = {}
    ids: _Grouped = {}
    entities: _Grouped = {}
    for new, expected in commits:
        for event in new:
            ids.setdefault(event.stream, []).append(event.event_id)
            if event.idempotency_key:
                keys.setdefault(event.caller, []).append(event.idempotency_key)
        if expected:
            entities.setdefault(new[0].stream, []).extend(map(entity, expected))
    return keys, ids, {stream: list(dict.fromkeys(names)) for stream, names in entities.items()}


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
def _heads(dialect: str) -> "Select[tuple[str, int | None]]":
    """The newest sequence of each entity: a look at the end of its index, however many events it has."""
    asked = listed("entities", dialect)
    own = (event_keys.c.stream == bindparam("stream")) & (event_keys.c.entity == asked.c.value)
    newest = select(func.max(event_keys.c.sequence)).where(own).correlate(asked).scalar_subquery()
    return select(asked.c.value.label("name"), newest.label("head"))

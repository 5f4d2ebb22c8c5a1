"""Commits decisions of many requests together: while one transaction runs, those that come queue up for the next.

A flush to disk costs milliseconds whatever it holds, so that under load one pays for many. Nothing waits on a timer: a
case that comes alone is committed alone and at once.
"""

import asyncio
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from brain.fraud.ledger import Ledger
from runtime.decision_log import (
    DecisionLog,
    DuplicateEventError,
    EntityKey,
    HeadMovedError,
    KeyReusedError,
    LoggedEvent,
    NewEvent,
)

MOST_TOGETHER = 64


@dataclass(frozen=True)
class _Waiting:
    event: NewEvent
    heads: Mapping[EntityKey, int]
    done: "asyncio.Future[LoggedEvent]"


class Committer:
    """One transaction at a time, for one event loop."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._queue: deque[_Waiting] = deque()
        self._task: asyncio.Task[None] | None = None

    async def commit(self, event: NewEvent, heads: Mapping[EntityKey, int]) -> LoggedEvent:
        """Append one event.

        Raises:
            DuplicateEventError, KeyReusedError, HeadMovedError: As the log's own commit of this event alone.
            LedgerUnavailableError: The log cannot be written.
        """
        waiting = _Waiting(event, heads, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return await waiting.done

    async def _drain(self) -> None:
        while self._queue:
            group = self._next_group()
            try:
                outcomes = await self._ledger.run(lambda log: _commit(log, group))  # noqa: B023 - awaited here
            except Exception as error:  # noqa: BLE001 - whoever waits gets it; the queue goes on
                outcomes = [error] * len(group)
            for waiting, outcome in zip(group, outcomes, strict=True):
                if waiting.done.done():
                    continue  # its request was cancelled; what was committed stands, and a repetition finds it
                if isinstance(outcome, Exception):
                    waiting.done.set_exception(outcome)
                else:
                    waiting.done.set_result(outcome)

    def _next_group(self) -> Sequence[_Waiting]:
        """Events of one stream that have nothing to do with one another; the others keep their place in the queue."""
        group: list[_Waiting] = []
        left: deque[_Waiting] = deque()
        taken: set[object] = set()
        while self._queue and len(group) < MOST_TOGETHER:
            waiting = self._queue.popleft()
            names = _names(waiting.event)
            if (group and waiting.event.stream != group[0].event.stream) or taken.intersection(names):
                left.append(waiting)
            else:
                group.append(waiting)
            taken.update(names)
        self._queue.extendleft(reversed(left))
        return group


def _names(event: NewEvent) -> set[object]:
    names: set[object] = {("event", event.event_id), *(("entity", *key) for key in event.keys)}
    if event.idempotency_key:
        names.add(("key", event.caller, event.idempotency_key))
    return names


def _commit(log: DecisionLog, group: Sequence[_Waiting]) -> list[LoggedEvent | Exception]:
    """Commit those of a group that can be, each of the others with its own reason; blocking."""
    outcomes: dict[int, LoggedEvent | Exception] = {}
    while len(outcomes) < len(group):
        places = [place for place in range(len(group)) if place not in outcomes]
        heads = {key: head for place in places for key, head in group[place].heads.items()}
        try:
            logged = log.commit([group[place].event for place in places], heads)
        except HeadMovedError as error:
            for place in places:
                moved = {key: head for key, head in error.moved.items() if key in group[place].heads}
                if moved:
                    outcomes[place] = HeadMovedError(moved)
        except DuplicateEventError as error:
            stream = group[places[0]].event.stream
            outcomes |= {places[at]: DuplicateEventError(stream, {0: one}) for at, one in error.existing.items()}
        except KeyReusedError as error:
            outcomes |= {places[at]: KeyReusedError({0: one}) for at, one in error.existing.items()}
        else:
            outcomes |= dict(zip(places, logged, strict=True))
    return [outcomes[place] for place in range(len(group))]

"""How far the feature store has come, and the events that have to travel with a case because of it."""

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from feature_repo.names import CARD_CURSOR
from runtime.decision_log import DecisionLog, EntityKey, LoggedEvent, Question, Seen
from runtime.problems import Problem

CURSOR = CARD_CURSOR
"""The feature writer's cursor in the log."""

_PAGE = 500


@dataclass(frozen=True)
class Context:
    """What the log says before a case is scored: the event that it repeats, or the events to send along."""

    existing: LoggedEvent | None = None
    recent: Sequence[LoggedEvent] = ()
    head: int = 0
    """The sequence up to which the events of the case's keys are known."""


class Mirror:
    """Reads events after the feature writer's cursor as it stood a moment ago.

    A predictor may hold a state for a moment, so that it can be older than the cursor says; events are therefore sent
    along until the cursor has been past them for `grace_seconds`. Those that a state does hold are skipped by sequence,
    so that an old cursor does no harm: it is read again once it is older than a quarter of the grace.

    Args:
        limit: Most events that are sent along.
        grace_seconds: Longer than any predictor keeps a state.
        clock: Seconds that never go back.
    """

    def __init__(self, limit: int, grace_seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._limit = limit
        self._grace = grace_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: deque[tuple[float, int]] = deque()
        self._read_at = -math.inf

    def look(self, log: DecisionLog, questions: Sequence[Question]) -> Sequence[Context | Exception]:
        """Ask the log about many cases at once; an outcome each, in their order.

        An exception among them is a problem with status 503 where its events are more than can be sent along, or why
        the log cannot answer.
        """
        after = self._after(log)
        return [self._context(seen, after) for seen in log.look(questions, after, self._limit + 1)]

    def recent(
        self, log: DecisionLog, stream: str, keys: Sequence[EntityKey], most: int | None = None
    ) -> tuple[Sequence[LoggedEvent], int]:
        """Events of any of the keys that a state may lack, ascending, and the sequence up to which they are known.

        `most` stands in for the limit where many cases are asked for together.

        Raises:
            Problem: 503 where they are more than can be sent along.
        """
        limit = self._limit if most is None else most
        after = self._after(log)
        found: list[LoggedEvent] = []
        while True:
            last = found[-1].sequence if found else after
            page = log.recent(stream, keys, last, _PAGE)
            found += page
            if len(found) > limit:
                raise _too_many(len(found), limit)
            if len(page) < _PAGE:
                return found, found[-1].sequence if found else after

    def settled(self, cursor: int) -> int:
        """The newest cursor that was seen at least the grace ago; 0 before that."""
        now = self._clock()
        with self._lock:
            self._read_at = now
            if not self._seen or cursor > self._seen[-1][1]:
                self._seen.append((now, cursor))
        return self._settled()

    def _settled(self) -> int:
        now = self._clock()
        with self._lock:
            while len(self._seen) > 1 and self._seen[1][0] <= now - self._grace:
                self._seen.popleft()
            at, settled = self._seen[0]
            return settled if at <= now - self._grace else 0

    def _after(self, log: DecisionLog) -> int:
        if self._clock() - self._read_at < self._grace / 4:
            return self._settled()
        return self.settled(log.cursor(CURSOR))

    def _context(self, seen: Seen | Exception, after: int) -> Context | Exception:
        if isinstance(seen, Exception):
            return seen
        if len(seen.recent) > self._limit:
            return _too_many(len(seen.recent), self._limit)
        return Context(seen.existing, seen.recent, seen.recent[-1].sequence if seen.recent else after)


def _too_many(found: int, limit: int) -> Problem:
    detail = (
        f"the feature store lags {found} or more events of this customer or terminal behind, and at most {limit} can "
        "be sent along; nothing was recorded, try again when it has caught up"
    )
    return Problem(503, detail=detail, headers={"Retry-After": "5"})

"""How far the feature store has come, and the events that have to travel with a case because of it."""

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from feature_repo.names import CARD_CURSOR
from runtime.decision_log import DecisionLog, EntityKey, LoggedEvent
from runtime.problems import Problem

CURSOR = CARD_CURSOR
"""The feature writer's cursor in the log."""

_PAGE = 500


class Mirror:
    """Reads events after the feature writer's cursor as it stood a moment ago.

    A predictor may hold a state for a moment, so that it can be older than the cursor says; events are therefore sent
    along until the cursor has been past them for `grace_seconds`. Those that a state does hold are skipped by sequence.

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

    def recent(
        self, log: DecisionLog, stream: str, keys: Sequence[EntityKey], most: int | None = None
    ) -> tuple[Sequence[LoggedEvent], int]:
        """Events of any of the keys that a state may lack, ascending, and the sequence up to which they are known.

        `most` stands in for the limit where many cases are asked for together.

        Raises:
            Problem: 503 where they are more than can be sent along.
        """
        limit = self._limit if most is None else most
        after = self.settled(log.cursor(CURSOR))
        found: list[LoggedEvent] = []
        while True:
            last = found[-1].sequence if found else after
            page = log.recent(stream, keys, last, _PAGE)
            found += page
            if len(found) > limit:
                detail = (
                    f"the feature store lags {len(found)} or more events of this customer or terminal behind, and at "
                    f"most {limit} can be sent along; nothing was recorded, try again when it has caught up"
                )
                raise Problem(503, detail=detail, headers={"Retry-After": "5"})
            if len(page) < _PAGE:
                return found, found[-1].sequence if found else after

    def settled(self, cursor: int) -> int:
        """The newest cursor that was seen at least the grace ago; 0 before that."""
        now = self._clock()
        with self._lock:
            if not self._seen or cursor > self._seen[-1][1]:
                self._seen.append((now, cursor))
            while len(self._seen) > 1 and self._seen[1][0] <= now - self._grace:
                self._seen.popleft()
            at, settled = self._seen[0]
            return settled if at <= now - self._grace else 0

"""Scores cases of many requests together: while calls are on their way, those that come go with the next.

An HTTP call costs the gateway more than a row costs the predictor, and a pool of many connections costs more with each
of them. Nothing waits on a timer: a case that comes alone is asked for alone and at once.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace

from brain.clients.errors import UpstreamError, UpstreamRefusedError, UpstreamTimeoutError
from brain.deadline import Deadline
from brain.fraud.cases import Kind
from brain.fraud.predictor import Answered, FraudPredictor

CALLS = 4
"""On their way to one model at a time."""

MOST_TOGETHER = 64


@dataclass(frozen=True)
class _Waiting:
    record: Mapping[str, object]
    deadline: Deadline
    done: "asyncio.Future[Answered]"


class Gatherer:
    """Asks one predictor, for one event loop."""

    def __init__(self, predictor: FraudPredictor) -> None:
        self._predictor = predictor
        self._queues: dict[Kind, deque[_Waiting]] = {}
        self._calls: dict[Kind, set[asyncio.Task[None]]] = {}

    async def score(self, kind: Kind, record: Mapping[str, object], deadline: Deadline) -> Answered:
        """Score one record; the answer has one row.

        Raises:
            UpstreamError: As `FraudPredictor.score`, and UpstreamTimeoutError past this case's own deadline.
        """
        waiting = _Waiting(record, deadline, asyncio.get_running_loop().create_future())
        self._queues.setdefault(kind, deque()).append(waiting)
        calls = self._calls.setdefault(kind, set())
        if len(calls) < CALLS:
            task = asyncio.create_task(self._drain(kind))
            calls.add(task)
            task.add_done_callback(calls.discard)
        try:
            async with asyncio.timeout(deadline.remaining_seconds):
                return await waiting.done
        except TimeoutError as error:
            raise UpstreamTimeoutError(self._predictor.client.upstream.name) from error

    async def _drain(self, kind: Kind) -> None:
        queue = self._queues[kind]
        while queue:
            group = [queue.popleft() for _ in range(min(MOST_TOGETHER, len(queue)))]
            group = [one for one in group if not one.done.done()]
            if group:
                await self._ask(kind, group)

    async def _ask(self, kind: Kind, group: list[_Waiting]) -> None:
        latest = max((one.deadline for one in group), key=lambda deadline: deadline.at)
        try:
            answered = await self._predictor.score(kind, [one.record for one in group], latest)
        except UpstreamRefusedError as error:
            if len(group) == 1:
                _fail(group, error)
                return
            for one in group:  # one record was refused, and its neighbours must not be
                await self._ask(kind, [one])
        except UpstreamError as error:
            _fail(group, error)
        except Exception as error:
            _fail(group, error)
            raise
        else:
            for one, row in zip(group, answered.rows, strict=True):
                if not one.done.done():
                    one.done.set_result(replace(answered, rows=[row]))


def _fail(group: list[_Waiting], error: Exception) -> None:
    for one in group:
        if not one.done.done():
            one.done.set_exception(error)

"""Scores cases of many requests together: while calls are on their way, those that come go with the next.

An HTTP call costs the gateway more than a row costs the predictor, and a pool of many connections costs more with each
of them.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from brain.clients.errors import UpstreamError, UpstreamRefusedError, UpstreamTimeoutError
from brain.deadline import Deadline
from brain.fraud.cases import Kind
from brain.fraud.predictor import Answered, FraudPredictor
from brain.fraud.together import Together

CALLS = 4
"""On their way to one model at a time."""


@dataclass(frozen=True)
class _Asked:
    record: Mapping[str, object]
    deadline: Deadline


class Gatherer:
    """Asks one predictor, for one event loop."""

    def __init__(self, predictor: FraudPredictor) -> None:
        self._predictor = predictor
        self._lines: dict[Kind, Together[_Asked, Answered]] = {}

    async def score(self, kind: Kind, record: Mapping[str, object], deadline: Deadline) -> Answered:
        """Score one record; the answer has one row.

        Raises:
            UpstreamError: As `FraudPredictor.score`, and UpstreamTimeoutError past this case's own deadline.
        """
        if kind not in self._lines:
            self._lines[kind] = Together(partial(self._call, kind), at_a_time=CALLS)
        try:
            async with asyncio.timeout(deadline.remaining_seconds):
                return await self._lines[kind].ask(_Asked(record, deadline))
        except TimeoutError as error:
            raise UpstreamTimeoutError(self._predictor.client.upstream.name) from error

    def _call(self, kind: Kind, asked: Sequence[_Asked]) -> "asyncio.Task[Sequence[Answered | Exception]]":
        return asyncio.create_task(self._score(kind, asked))

    async def _score(self, kind: Kind, asked: Sequence[_Asked]) -> Sequence[Answered | Exception]:
        latest = max((one.deadline for one in asked), key=lambda deadline: deadline.at)
        try:
            answered = await self._predictor.score(kind, [one.record for one in asked], latest)
        except UpstreamRefusedError as error:
            if len(asked) == 1:
                return [error]
            # One record was refused, and its neighbours must not be.
            return [outcome for one in asked for outcome in await self._score(kind, [one])]
        except UpstreamError as error:
            return [error] * len(asked)
        return [replace(answered, rows=[row]) for row in answered.rows]

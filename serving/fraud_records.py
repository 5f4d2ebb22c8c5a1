"""From records to features: encoded as they stand, or for cards computed from the states of customer and terminal."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Protocol, TypeVar

from components.fraud.detectors import Detector
from serving.errors import DeadlineError
from serving.fraud_card_states import CardStates
from serving.fraud_cards import CardRow, compute, read_row
from serving.fraud_inputs import Record, Rows, check_fields
from serving.tensors import Tensor

T = TypeVar("T")

INLINE_ROWS = 8
"""Up to so many rows are computed on the event loop; more would hold up other requests."""


class RecordSource(Protocol):
    """Features of records."""

    async def features(self, records: Sequence[Record], deadline: float) -> tuple[Rows, Sequence[Tensor]]:
        """Features `[N, F]`, and what the answer says of them besides; raise a PredictorError for the caller."""
        ...

    async def probe(self) -> None:
        """Try what features depend on; raise UnavailableError where it cannot be had."""
        ...


class EncodedRecords:
    """Records that hold all that the features need.

    Args:
        detector: Checks and encodes them.
        executor: Where many rows are encoded.
    """

    def __init__(self, detector: Detector, executor: Executor) -> None:
        self._detector, self._executor = detector, executor

    async def features(self, records: Sequence[Record], deadline: float) -> tuple[Rows, Sequence[Tensor]]:
        """Check and encode every record."""
        return await off_loop(self._executor, len(records), lambda: self._encode(records)), ()

    async def probe(self) -> None:
        """Nothing is depended on."""

    def _encode(self, records: Sequence[Record]) -> Rows:
        for row, record in enumerate(records):
            check_fields(self._detector, record, row)
        return self._detector.encode(records)


class CardRecords:
    """Card transactions: their features come from states that are read, with the events of `recent` applied.

    Args:
        detector: Checks the records.
        states: Reads the states.
        executor: Where many rows are computed.
    """

    def __init__(self, detector: Detector, states: CardStates, executor: Executor) -> None:
        self._detector, self._states, self._executor = detector, states, executor

    async def features(self, records: Sequence[Record], deadline: float) -> tuple[Rows, Sequence[Tensor]]:
        """Read the states of all rows at once, apply each row's own events, compute."""
        rows = await off_loop(self._executor, len(records), lambda: self._read(records))
        try:
            async with asyncio.timeout_at(deadline):
                states = await self._states.of(rows)
        except TimeoutError as error:
            raise DeadlineError("the deadline passed before the states had been read") from error
        features, sequences = await off_loop(self._executor, len(records), lambda: compute(rows, states))
        return features, (Tensor("state_sequences", "INT64", sequences.shape, sequences),)

    async def probe(self) -> None:
        """Read a state that need not exist."""
        await self._states.probe()

    def _read(self, records: Sequence[Record]) -> list[CardRow]:
        return [read_row(self._detector, record, row) for row, record in enumerate(records)]


async def off_loop(executor: Executor, rows: int, work: Callable[[], T]) -> T:
    """Do what many rows need in a thread, and what few need at once."""
    if rows <= INLINE_ROWS:
        return work()
    return await asyncio.get_running_loop().run_in_executor(executor, work)

"""What the online store holds, read off the event loop and kept for a moment.

Requests that need a key while a read is under way join the next read, so that a burst costs one read, not one each.
A value that was read again unchanged stays the same object: what was derived from it stays good.
"""

import asyncio
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import Executor
from operator import is_
from typing import Generic, TypeVar

import numpy as np

from feature_repo.fraud_online import CardStatesMissingError
from feature_repo.online import CorruptWindowError, FeatureServiceMissingError, Window, WindowReader
from runtime.logs import get_logger
from serving.errors import UnavailableError

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")

PATIENCE_SECONDS = 0.5
"""Longest wait for a read where the value kept before still serves."""

Read = tuple[float, Value | None]
"""When a read began, on the lookup's clock, and what it found."""

_NEVER = (float("-inf"), None)

_TOLD = (FeatureServiceMissingError, CardStatesMissingError)
"""Errors whose words are for callers: they say what to run."""

logger = get_logger(__name__)


class Lookup(Generic[Key, Value]):
    """Reads values by key.

    Args:
        read: The online store; may block. Gives a value or None for each key, in order.
        executor: Where it is called.
        ttl_seconds: How old, at most, a value may be when it is asked for; what is older is read again.
        grace_seconds: How long a value is kept in use while the store is down or slow; 0 for never.
        clock: Seconds that only grow.
        same: Tells whether two values are equal.
        most_kept: Most values that are kept, those read longest ago dropped first; None for all.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Key]], Sequence[Value | None]],
        executor: Executor,
        *,
        ttl_seconds: float,
        grace_seconds: float,
        clock: Callable[[], float],
        same: Callable[[Value, Value], bool] = is_,
        most_kept: int | None = None,
    ) -> None:
        self._reader = read
        self._executor = executor
        self._ttl_seconds = ttl_seconds
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._same = same
        self._most_kept = most_kept
        self._kept: dict[Key, Read[Value]] = {}
        self._awaited: dict[Key, asyncio.Future[Read[Value]]] = {}
        self._wanted: list[Key] = []
        self._pump: asyncio.Task[None] | None = None
        self._down = False

    async def get(self, keys: Sequence[Key]) -> list[Value | None]:
        """The value of each key, None where the store has none.

        Raises:
            UnavailableError: The store cannot be read, and what was kept is older than the grace.
        """
        oldest = self._clock() - self._ttl_seconds
        kept = self._kept
        try:
            found = [kept[key] for key in keys]
        except KeyError:
            found = []
        if found and min(found, key=_read_at)[0] >= oldest:
            return [value for _, value in found]
        return await asyncio.gather(*(self._one(key, oldest) for key in keys))

    async def fresh(self, keys: Sequence[Key]) -> list[Value | None]:
        """As `get`, but never older than the time to live, whatever the grace, also where a read takes long.

        Raises:
            UnavailableError: The store cannot be read.
        """
        oldest = self._clock() - self._ttl_seconds
        found: dict[Key, Value | None] = {}
        missing = list(dict.fromkeys(keys))
        reads = {key: self._kept.get(key, _NEVER) for key in missing}
        while True:
            found |= {key: value for key, (read_at, value) in reads.items() if read_at >= oldest}
            missing = [key for key in missing if key not in found]
            if not missing:
                return [found[key] for key in keys]
            futures = {key: self._await_read(key) for key in missing}
            await asyncio.wait(futures.values())
            reads = {key: future.result() for key, future in futures.items()}

    async def _one(self, key: Key, oldest: float) -> Value | None:
        read_at, value = self._kept.get(key, _NEVER)
        if read_at >= oldest:
            return value
        future = asyncio.shield(self._await_read(key))
        if value is None or self._clock() - read_at > self._grace_seconds:
            return (await future)[1]
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return (await future)[1]
        except (UnavailableError, TimeoutError):
            return value

    def _await_read(self, key: Key) -> asyncio.Future[Read[Value]]:
        future = self._awaited.get(key)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            future.add_done_callback(_retrieve)
            self._awaited[key] = future
            self._wanted.append(key)
            if self._pump is None:
                self._pump = asyncio.create_task(self._read_wanted())
        return future

    async def _read_wanted(self) -> None:
        """Read until nothing is wanted; what was asked for meanwhile is the next read."""
        while self._wanted:
            batch, self._wanted = self._wanted, []
            try:
                await self._read(batch)
            except CorruptWindowError:
                for key in batch:
                    await self._read_alone(key)
        self._pump = None

    async def _read(self, batch: Sequence[Key]) -> None:
        loop = asyncio.get_running_loop()
        begun = self._clock()
        try:
            values = await loop.run_in_executor(self._executor, self._reader, batch)
            answers = list(zip(batch, values, strict=True))
        except CorruptWindowError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a store raises, callers are told it cannot be read
            self._fail(batch, error)
        else:
            self._keep(answers, begun)

    async def _read_alone(self, key: Key) -> None:
        """A value that is corrupt counts as missing and does not take the others with it."""
        try:
            await self._read([key])
        except CorruptWindowError as error:
            logger.error("a stored value is corrupt", key=key, exc_info=error)
            self._keep([(key, None)], self._clock())

    def _keep(self, answers: Iterable[tuple[Key, Value | None]], read_at: float) -> None:
        self._down = False
        for key, value in answers:
            _, before = self._kept.pop(key, (0.0, None))
            latest = before if before is not None and value is not None and self._same(before, value) else value
            self._kept[key] = (read_at, latest)
            future = self._awaited.pop(key)
            if not future.done():
                future.set_result((read_at, latest))
        while self._most_kept is not None and len(self._kept) > self._most_kept:
            del self._kept[next(iter(self._kept))]

    def _fail(self, batch: Sequence[Key], error: Exception) -> None:
        # A store that is down is asked every few seconds: its first refusal is worth a line, the rest are not.
        if not self._down:
            logger.warning("the online store cannot be read", keys=list(batch)[:10], exc_info=error)
        self._down = True
        reason = str(error) if isinstance(error, _TOLD) else "the features cannot be read now"
        for key in batch:
            future = self._awaited.pop(key)
            if not future.done():
                told = UnavailableError(reason, retry_after_seconds=2)
                told.__cause__ = error
                future.set_exception(told)


class WindowLookup(Lookup[str, Window]):
    """Reads the latest window of series; arguments are those of `Lookup`, a window unchanged stays the same object."""

    def __init__(
        self,
        reader: WindowReader,
        executor: Executor,
        *,
        ttl_seconds: float,
        grace_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(
            lambda unique_ids: reader.read(unique_ids),
            executor,
            ttl_seconds=ttl_seconds,
            grace_seconds=grace_seconds,
            clock=clock,
            same=_same,
        )


def _read_at(kept: tuple[float, object]) -> float:
    return kept[0]


def _same(before: Window, now: Window) -> bool:
    return (
        before.ds == now.ds
        and np.array_equal(before.window, now.window, equal_nan=True)
        and np.array_equal(before.candles, now.candles, equal_nan=True)
    )


def _retrieve(future: "asyncio.Future[Read[Value]]") -> None:
    """Mark the outcome as seen, since every caller that waited for it may have gone."""
    if not future.cancelled():
        future.exception()

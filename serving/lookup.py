"""Windows from the online store, read off the event loop and kept for a moment.

Requests that need a series while a read is under way join the next read, so that a burst costs one read, not one each.
A window that was read again unchanged stays the same object: what was derived from it stays good.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor

import numpy as np

from feature_repo.online import CorruptWindowError, FeatureServiceMissingError, Window, WindowReader
from runtime.logs import get_logger
from serving.errors import UnavailableError

PATIENCE_SECONDS = 0.5
"""Longest wait for a read where the window kept before still serves."""

logger = get_logger(__name__)


class WindowLookup:
    """Reads the latest window of series.

    Args:
        reader: The online store; may block.
        executor: Where it is called.
        ttl_seconds: How long a window is kept before the store is asked again.
        grace_seconds: How long a window is kept in use while the store is down or slow.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        reader: WindowReader,
        executor: Executor,
        *,
        ttl_seconds: float,
        grace_seconds: float,
        clock: Callable[[], float],
    ) -> None:
        self._reader = reader
        self._executor = executor
        self._ttl_seconds = ttl_seconds
        self._grace_seconds = grace_seconds
        self._clock = clock
        self._kept: dict[str, tuple[float, Window | None]] = {}
        self._awaited: dict[str, asyncio.Future[Window | None]] = {}
        self._wanted: list[str] = []
        self._pump: asyncio.Task[None] | None = None
        self._down = False

    async def get(self, unique_ids: Sequence[str]) -> list[Window | None]:
        """The latest window of each series, None where the store has none.

        Raises:
            UnavailableError: The store cannot be read, and what was kept is older than the grace.
        """
        oldest = self._clock() - self._ttl_seconds
        kept = self._kept
        try:
            found = [kept[unique_id] for unique_id in unique_ids]
        except KeyError:
            found = []
        if found and min(found, key=_read_at)[0] >= oldest:
            return [window for _, window in found]
        return await asyncio.gather(*(self._one(unique_id, oldest) for unique_id in unique_ids))

    async def _one(self, unique_id: str, oldest: float) -> Window | None:
        read_at, window = self._kept.get(unique_id, (float("-inf"), None))
        if read_at >= oldest:
            return window
        future = asyncio.shield(self._await_read(unique_id))
        if window is None or self._clock() - read_at > self._grace_seconds:
            return await future
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await future
        except (UnavailableError, TimeoutError):
            return window

    def _await_read(self, unique_id: str) -> asyncio.Future[Window | None]:
        future = self._awaited.get(unique_id)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            future.add_done_callback(_retrieve)
            self._awaited[unique_id] = future
            self._wanted.append(unique_id)
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
                for unique_id in batch:
                    await self._read_alone(unique_id)
        self._pump = None

    async def _read(self, batch: Sequence[str]) -> None:
        loop = asyncio.get_running_loop()
        try:
            windows = await loop.run_in_executor(self._executor, self._reader.read, batch)
            answers = list(zip(batch, windows, strict=True))
        except CorruptWindowError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a store raises, callers are told it cannot be read
            self._fail(batch, error)
        else:
            self._keep(answers)

    async def _read_alone(self, unique_id: str) -> None:
        """A series whose window is corrupt counts as missing and does not take the others with it."""
        try:
            await self._read([unique_id])
        except CorruptWindowError as error:
            logger.error("a stored window is corrupt", series=unique_id, exc_info=error)
            self._keep([(unique_id, None)])

    def _keep(self, answers: Iterable[tuple[str, Window | None]]) -> None:
        now = self._clock()
        self._down = False
        for unique_id, window in answers:
            _, before = self._kept.get(unique_id, (0.0, None))
            latest = before if before is not None and window is not None and _same(before, window) else window
            self._kept[unique_id] = (now, latest)
            future = self._awaited.pop(unique_id)
            if not future.done():
                future.set_result(latest)

    def _fail(self, batch: Sequence[str], error: Exception) -> None:
        # A store that is down is asked every few seconds: its first refusal is worth a line, the rest are not.
        if not self._down:
            logger.warning("the online store cannot be read", series=list(batch), exc_info=error)
        self._down = True
        reason = str(error) if isinstance(error, FeatureServiceMissingError) else "the features cannot be read now"
        for unique_id in batch:
            future = self._awaited.pop(unique_id)
            if not future.done():
                told = UnavailableError(reason, retry_after_seconds=2)
                told.__cause__ = error
                future.set_exception(told)


def _read_at(kept: tuple[float, object]) -> float:
    return kept[0]


def _same(before: Window, now: Window) -> bool:
    return (
        before.ds == now.ds
        and np.array_equal(before.window, now.window, equal_nan=True)
        and np.array_equal(before.candles, now.candles, equal_nan=True)
    )


def _retrieve(future: asyncio.Future[Window | None]) -> None:
    """Mark the outcome as seen, since every caller that waited for it may have gone."""
    if not future.cancelled():
        future.exception()

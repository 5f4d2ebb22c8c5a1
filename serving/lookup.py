"""Windows from the online store, read off the event loop and kept for a moment.

Requests that need a series while a read is under way join the next read, so that a burst costs one read, not one each.
A window that was read again unchanged stays the same object: what was derived from it stays good.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor
from typing import TYPE_CHECKING

import numpy as np

from runtime.logs import get_logger
from serving.errors import UnavailableError

if TYPE_CHECKING:
    from feature_repo.online import Window, WindowReader

logger = get_logger(__name__)


class WindowLookup:
    """Reads the latest window of series.

    Args:
        reader: The online store; may block.
        executor: Where it is called.
        ttl_seconds: How long a window is kept before the store is asked again.
        grace_seconds: How long a window is kept in use while the store cannot be read.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        reader: "WindowReader",
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

    async def get(self, unique_ids: Sequence[str]) -> list["Window | None"]:
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

    async def read_now(self, unique_ids: Sequence[str]) -> list["Window | None"]:
        """Ask the store whatever is kept; raise UnavailableError if it cannot be read."""
        return [await future for future in [self._await_read(unique_id) for unique_id in unique_ids]]

    async def _one(self, unique_id: str, oldest: float) -> "Window | None":
        read_at, window = self._kept.get(unique_id, (float("-inf"), None))
        if read_at >= oldest:
            return window
        try:
            return await asyncio.shield(self._await_read(unique_id))
        except UnavailableError:
            if window is not None and self._clock() - read_at <= self._grace_seconds:
                return window
            raise

    def _await_read(self, unique_id: str) -> "asyncio.Future[Window | None]":
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
        loop = asyncio.get_running_loop()
        while self._wanted:
            batch, self._wanted = self._wanted, []
            try:
                windows = await loop.run_in_executor(self._executor, self._reader.read, batch)
            except Exception as error:  # noqa: BLE001 - whatever a store raises, callers are told it cannot be read
                logger.warning("online store cannot be read", series=batch, exc_info=error)
                self._settle(batch, error)
            else:
                self._keep(batch, windows)
        self._pump = None

    def _keep(self, batch: Sequence[str], windows: Iterable["Window | None"]) -> None:
        now = self._clock()
        for unique_id, window in zip(batch, windows, strict=True):
            _, before = self._kept.get(unique_id, (0.0, None))
            latest = before if before is not None and window is not None and _same(before, window) else window
            self._kept[unique_id] = (now, latest)
            future = self._awaited.pop(unique_id)
            if not future.done():
                future.set_result(latest)

    def _settle(self, batch: Sequence[str], error: Exception) -> None:
        for unique_id in batch:
            future = self._awaited.pop(unique_id)
            if not future.done():
                told = UnavailableError("the features cannot be read at the moment; try again", retry_after_seconds=2)
                told.__cause__ = error
                future.set_exception(told)


def _read_at(kept: tuple[float, object]) -> float:
    return kept[0]


def _same(before: "Window", now: "Window") -> bool:
    return (
        before.ds == now.ds
        and np.array_equal(before.features, now.features, equal_nan=True)
        and np.array_equal(before.candles, now.candles, equal_nan=True)
    )


def _retrieve(future: "asyncio.Future[Window | None]") -> None:
    """Mark the outcome as seen, since every caller that waited for it may have gone."""
    if not future.cancelled():
        future.exception()

"""Micro-batching without a timer: while one model call runs the queue fills, and the next call takes what is there.

A lone request is never held back to wait for company; under load a call carries up to `max_rows` rows. Everything but
the model call itself happens on the event loop, so that no state here needs a lock.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future

import numpy as np
from numpy.typing import NDArray

from runtime.logs import get_logger
from serving.errors import INTERNAL, DeadlineError, PredictorError, QueueFullError

Rows = NDArray[np.float32]
ModelCall = Callable[[Rows], Rows]
"""Stacked rows in, as many rows out; runs in the executor's thread."""

_PATIENCE_SECONDS = 0.05
"""An entry that waited longer is asked whether its caller is still there."""

logger = get_logger(__name__)


class _Entry:
    """Rows of one request that wait for the model."""

    __slots__ = ("alive", "deadline", "future", "queued", "rows", "since")

    def __init__(self, rows: Rows, deadline: float, alive: Callable[[], bool], loop: asyncio.AbstractEventLoop) -> None:
        self.rows = rows
        self.deadline = deadline
        self.alive = alive
        self.future: asyncio.Future[Rows] = loop.create_future()
        self.since = loop.time()
        self.queued = True

    def expire(self) -> None:
        if not self.future.done():
            self.future.set_exception(DeadlineError("the deadline passed before the model had answered"))

    def wanted(self, now: float) -> bool:
        """Whether anybody still waits for these rows."""
        if self.future.done():
            return False
        if now >= self.deadline:
            self.expire()
            return False
        if now - self.since > _PATIENCE_SECONDS and not self.alive():
            self.future.cancel()
            return False
        return True


class MicroBatcher:
    """Joins the rows of concurrent requests into model calls.

    Args:
        run: The model call.
        executor: Has one thread, so that model calls never overlap.
        max_rows: Most rows in a call.
        queue_rows: Most rows that wait; beyond it `QueueFullError`.
        on_batch: Told the rows of every call that starts.
    """

    def __init__(
        self,
        run: ModelCall,
        executor: Executor,
        *,
        max_rows: int,
        queue_rows: int,
        on_batch: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._run = run
        self._executor = executor
        self._max_rows = max_rows
        self._queue_rows = queue_rows
        self._on_batch = on_batch
        self._queue: deque[_Entry] = deque()
        self._busy = False
        self.queued_rows = 0
        """Rows that wait now."""

    async def submit(self, rows: Rows, deadline: float, alive: Callable[[], bool]) -> Rows:
        """Have the model called on `rows`, whose shape was checked before.

        Args:
            rows: At most `max_rows` along the first axis.
            deadline: On the event loop's clock; rows whose time is up are dropped before the call.
            alive: Tells without waiting whether the caller is still there.

        Raises:
            QueueFullError: Too much waits already.
            DeadlineError: The deadline passed first.
            PredictorError: The model failed; the cause is in the log only.
        """
        count = len(rows)
        if self.queued_rows + count > self._queue_rows:
            raise QueueFullError(
                f"{self.queued_rows} rows wait for the model and at most {self._queue_rows} may; try again",
                retry_after_seconds=1,
            )
        loop = asyncio.get_running_loop()
        entry = _Entry(rows, deadline, alive, loop)
        self._queue.append(entry)
        self.queued_rows += count
        if not self._busy:
            self._busy = True
            loop.call_soon(self._next, loop)
        timer = loop.call_at(deadline, entry.expire)
        try:
            return await entry.future
        finally:
            timer.cancel()
            self._leave_queue(entry)

    def _leave_queue(self, entry: _Entry) -> None:
        if entry.queued:
            entry.queued = False
            self.queued_rows -= len(entry.rows)

    def _collect(self, now: float) -> list[_Entry]:
        batch: list[_Entry] = []
        rows = 0
        while self._queue and rows + len(self._queue[0].rows) <= self._max_rows:
            entry = self._queue.popleft()
            self._leave_queue(entry)
            if entry.wanted(now):
                batch.append(entry)
                rows += len(entry.rows)
        return batch

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        batch = self._collect(loop.time())
        if not batch:
            self._busy = False
            return
        parts = [entry.rows for entry in batch]
        self._on_batch(sum(map(len, parts)))

        def tell(call: Future[list[Rows | None]]) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._finish, batch, call, loop)

        self._executor.submit(self._call, parts).add_done_callback(tell)

    def _call(self, parts: Sequence[Rows]) -> list[Rows | None]:
        """Call the model in its thread; None where a part's answer is not finite, so that it fails alone."""
        answer = self._run(parts[0] if len(parts) == 1 else np.concatenate(parts))
        finite = bool(np.isfinite(answer).all())
        split: list[Rows | None] = []
        start = 0
        for part in parts:
            own = answer[start : start + len(part)]
            split.append(own if finite or np.isfinite(own).all() else None)
            start += len(part)
        return split

    def _finish(
        self, batch: Sequence[_Entry], call: Future[list[Rows | None]], loop: asyncio.AbstractEventLoop
    ) -> None:
        self._next(loop)
        error = call.exception()
        if error is not None:
            logger.error("model call failed", rows=sum(len(entry.rows) for entry in batch), exc_info=error)
        answers = [None] * len(batch) if error is not None else call.result()
        for entry, answer in zip(batch, answers, strict=True):
            if entry.future.done():
                continue
            if answer is None:
                entry.future.set_exception(PredictorError(INTERNAL))
                if error is None:
                    logger.error("the model's answer is not finite", rows=len(entry.rows))
            else:
                entry.future.set_result(answer)

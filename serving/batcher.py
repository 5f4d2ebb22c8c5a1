"""Micro-batching without a timer: while one model call runs the queue fills, and the next call takes what is there.

A lone request is never held back to wait for company; under load a call carries up to `max_rows` rows. Everything but
the model call itself happens on the event loop, so that no state here needs a lock.
"""

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from queue import SimpleQueue

import numpy as np
from numpy.typing import NDArray

from runtime.logs import get_logger
from serving.errors import INTERNAL, CallerGoneError, DeadlineError, PredictorError, QueueFullError

Rows = NDArray[np.float32]
ModelCall = Callable[[Rows], Rows]
"""Stacked rows in, as many rows out; runs in the model's thread."""

_PATIENCE_SECONDS = 0.05
"""An entry that waited longer is asked whether its caller is still there."""

logger = get_logger(__name__)


class ModelThread:
    """One thread that runs what it is given, in order.

    A thread pool of one would do the same and spend a lock, a condition and a future on every call.
    """

    def __init__(self) -> None:
        self._work: SimpleQueue[Callable[[], None]] = SimpleQueue()
        threading.Thread(target=self._run, name="model", daemon=True).start()

    def submit(self, work: Callable[[], None]) -> None:
        """Run `work`, which must not raise, after everything submitted before."""
        self._work.put(work)

    def _run(self) -> None:
        while True:
            self._work.get()()


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
            self.future.set_exception(CallerGoneError())
            return False
        return True


class MicroBatcher:
    """Joins the rows of concurrent requests into model calls.

    Args:
        run: The model call.
        thread: Where it runs; shared, so that model calls never overlap.
        max_rows: Most rows in a call.
        queue_rows: Most rows that wait; beyond it `QueueFullError`.
        on_batch: Told the rows of every call that starts.
    """

    def __init__(
        self,
        run: ModelCall,
        thread: ModelThread,
        *,
        max_rows: int,
        queue_rows: int,
        on_batch: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._run = run
        self._thread = thread
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
            CallerGoneError: Nobody waits for the answer any more.
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
        self._on_batch(sum(len(entry.rows) for entry in batch))
        self._thread.submit(partial(self._call, batch, loop))

    def _call(self, batch: Sequence[_Entry], loop: asyncio.AbstractEventLoop) -> None:
        """Call the model, in its thread, and hand the answers to the loop."""
        answers: Sequence[Rows | None] = [None] * len(batch)
        try:
            parts = [entry.rows for entry in batch]
            answers = _split(self._run(parts[0] if len(parts) == 1 else np.concatenate(parts)), parts)
        except Exception as error:  # noqa: BLE001 - the runtime's errors share no base class, and callers get an answer
            logger.error("model call failed", requests=len(batch), exc_info=error)
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(self._finish, batch, answers, loop)

    def _finish(self, batch: Sequence[_Entry], answers: Sequence[Rows | None], loop: asyncio.AbstractEventLoop) -> None:
        self._next(loop)
        for entry, answer in zip(batch, answers, strict=True):
            if entry.future.done():
                continue
            if answer is None:
                entry.future.set_exception(PredictorError(INTERNAL))
            else:
                entry.future.set_result(answer)


def _split(answer: Rows, parts: Sequence[Rows]) -> list[Rows | None]:
    """The answer to each part; None where it is not finite, so that a row the model cannot answer fails alone."""
    finite = bool(np.isfinite(answer).all())
    split: list[Rows | None] = []
    start = 0
    for part in parts:
        own = answer[start : start + len(part)]
        start += len(part)
        good = finite or bool(np.isfinite(own).all())
        if not good:
            logger.error("the model's answer is not finite", rows=len(part))
        split.append(own if good else None)
    return split

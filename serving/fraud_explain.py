"""TreeSHAP beside the predictions: in a process of its own, within each request's deadline, from a bounded queue.

A forest's explanation takes milliseconds a row and holds Python's lock all the while; in a thread it would hold up
every prediction. Rows go over in small slices, so that one whose caller has gone or whose time is up costs no more
than one of them.
"""

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from components.parent_watch import PARENT_VARIABLE, die_with_parent
from serving.errors import CallerGoneError, DeadlineError, QueueFullError, UnavailableError

if TYPE_CHECKING:
    from components.fraud.explain import Explainer

Rows = NDArray[np.float32]

SLICE_ROWS = {"xgboost": 64, "random_forest": 4}
"""Rows of one call: about a tenth of a second at most."""

_MOST_OPEN = 8
"""Models that the explaining process keeps open: three served ones, and those before and after a reload."""


@dataclass(frozen=True)
class NativeModel:
    """Where a version's native model is, and which learner made it."""

    folder: Path
    learner: str


class Explanations:
    """Asks the explaining process.

    Args:
        queue_rows: Most rows that wait; beyond it `QueueFullError`.
    """

    def __init__(self, queue_rows: int) -> None:
        self._queue_rows = queue_rows
        self._lock = threading.Lock()
        self._pool: ProcessPoolExecutor | None = None
        self.waiting_rows = 0
        """Rows that wait now."""

    def open(self, model: NativeModel, rows: Rows) -> tuple[Rows, Rows, str]:
        """Open a model and explain some rows; blocks.

        Returns:
            Contributions `[N, F]`, expected `[N]`, and what they add up to: `log_odds` or `probability`.

        Raises:
            ExplainError: The model cannot be explained.
            BrokenExecutor: The process ended.
        """
        return self._processes().submit(_open, str(model.folder), model.learner, rows).result()

    async def explain(
        self, model: NativeModel, rows: Rows, deadline: float, alive: Callable[[], bool]
    ) -> tuple[Rows, Rows]:
        """Contributions `[N, F]` and expected `[N]` of rows.

        Args:
            model: An open one.
            rows: FP32 `[N, F]`.
            deadline: On the event loop's clock.
            alive: Tells without waiting whether the caller is still there.

        Raises:
            QueueFullError: Too much waits already.
            DeadlineError: The deadline passed first.
            CallerGoneError: Nobody waits for the answer any more.
            UnavailableError: The process ended; the next request starts another.
        """
        count = len(rows)
        if self.waiting_rows + count > self._queue_rows:
            raise QueueFullError(
                f"{self.waiting_rows} rows wait for an explanation and at most {self._queue_rows} may; try again",
                retry_after_seconds=1,
            )
        self.waiting_rows += count
        try:
            async with asyncio.timeout_at(deadline):
                return await self._slices(model, rows, alive)
        except TimeoutError as error:
            raise DeadlineError("the deadline passed before the explanation was there") from error
        finally:
            self.waiting_rows -= count

    async def _slices(self, model: NativeModel, rows: Rows, alive: Callable[[], bool]) -> tuple[Rows, Rows]:
        size = SLICE_ROWS.get(model.learner, 1)
        found: list[tuple[Rows, Rows]] = []
        for start in range(0, len(rows), size):
            if start and not alive():
                raise CallerGoneError
            found.append(await self._call(model, rows[start : start + size]))
        return np.concatenate([one for one, _ in found]), np.concatenate([one for _, one in found])

    async def _call(self, model: NativeModel, rows: Rows) -> tuple[Rows, Rows]:
        loop = asyncio.get_running_loop()
        pool = self._processes()
        try:
            return await loop.run_in_executor(pool, _explain, str(model.folder), model.learner, rows)
        except BrokenExecutor as error:
            with self._lock:
                if self._pool is pool:
                    self._pool = None
            raise UnavailableError("the explaining process ended and starts again", retry_after_seconds=5) from error

    def close(self) -> None:
        """End the process; waits a moment for the slice in hand, so that nothing of it is left in the system."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            ending = threading.Thread(target=pool.shutdown, kwargs={"cancel_futures": True}, daemon=True)
            ending.start()
            ending.join(_CLOSE_SECONDS)

    def _processes(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                spawn = multiprocessing.get_context("spawn")
                self._pool = ProcessPoolExecutor(1, spawn, initializer=_begin, initargs=(os.getpid(),))
            return self._pool


_CLOSE_SECONDS = 5.0

_opened: "dict[tuple[str, str], Explainer]" = {}


def _begin(parent: int) -> None:
    """Leave a keyboard's interrupt to the predictor, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ[PARENT_VARIABLE] = str(parent)
    die_with_parent()


def _open(folder: str, learner: str, rows: Rows) -> tuple[Rows, Rows, str]:
    contributions, expected = _explain(folder, learner, rows)
    return contributions, expected, _opened[folder, learner].unit.replace(" ", "_")


def _explain(folder: str, learner: str, rows: Rows) -> tuple[Rows, Rows]:
    explainer = _opened.get((folder, learner))
    if explainer is None:
        from components.fraud.explain import Explainer

        explainer = _opened[folder, learner] = Explainer(Path(folder), learner)
        while len(_opened) > _MOST_OPEN:
            del _opened[next(iter(_opened))]
    return explainer.contributions(rows)

"""The decision log, asked from the event loop: blocking work in a bounded number of threads."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from runtime.decision_log import DecisionLog
from runtime.logs import get_logger
from runtime.problems import Problem

_T = TypeVar("_T")
_log = get_logger(__name__)


class LedgerUnavailableError(Problem):
    """The decision log cannot be read or written now; nothing was recorded."""

    def __init__(self, reason: str, retry_after_seconds: int = 2) -> None:
        detail = f"the decision log {reason}; nothing was recorded, try again in {retry_after_seconds} s"
        super().__init__(503, detail=detail, headers={"Retry-After": str(retry_after_seconds)})


class Ledger:
    """Runs work on the log in threads of its own; the log is opened with the first of it.

    Args:
        open_log: Opens the log.
        threads: Calls at a time.
        waiting: Calls that may wait for a thread.
    """

    def __init__(self, open_log: Callable[[], DecisionLog], *, threads: int, waiting: int) -> None:
        self._open_log = open_log
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decision-log")
        self._most = threads + waiting
        self._held = 0
        self._opening = threading.Lock()
        self._log: DecisionLog | None = None

    async def run(self, work: Callable[[DecisionLog], _T]) -> _T:
        """Do some work on the log and return what it returns; what the log refuses comes through as it is.

        Raises:
            LedgerUnavailableError: The database does not answer, or too many calls wait already.
        """
        if self._held >= self._most:
            raise LedgerUnavailableError("has too many calls waiting", 1)
        self._held += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, self._call, work)
        future.add_done_callback(self._done)
        return await future

    def _done(self, _future: "asyncio.Future[_T]") -> None:
        self._held -= 1

    def _call(self, work: Callable[[DecisionLog], _T]) -> _T:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return work(self._opened())
        except SQLAlchemyError as error:
            _log.error("the decision log failed", error=type(error).__name__, reason=str(error)[:500])
            raise LedgerUnavailableError("cannot be read or written now") from error

    def _opened(self) -> DecisionLog:
        with self._opening:
            if self._log is None:
                self._log = self._open_log()
            return self._log

    def close(self) -> None:
        """Wait for the work in hand and close the log."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._log is not None:
            self._log.close()

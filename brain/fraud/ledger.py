"""The decision log, asked from the event loop: blocking work in a bounded number of threads, much of it together."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from brain.fraud.together import Together
from runtime.decision_log import DecisionLog, EntityKey, LoggedEvent, NewCommit, NewEvent
from runtime.logs import get_logger
from runtime.problems import Problem

_T = TypeVar("_T")
_Q = TypeVar("_Q")
_A = TypeVar("_A")
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
        waiting: Calls that may wait for a thread, or for others to go with.
    """

    def __init__(self, open_log: Callable[[], DecisionLog], *, threads: int, waiting: int) -> None:
        self._open_log = open_log
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decision-log")
        self._most = threads + waiting
        self._held = 0
        self._opening = threading.Lock()
        self._log: DecisionLog | None = None
        self._commit = self.together(_commit_many)

    async def run(self, work: Callable[[DecisionLog], _T]) -> _T:
        """Do some work on the log and return what it returns; what the log refuses comes through as it is.

        Raises:
            LedgerUnavailableError: The database does not answer, or too many calls wait already.
        """
        return await self._hold(lambda: self._submit(work))

    def together(
        self, work: Callable[[DecisionLog, Sequence[_Q]], Sequence[_A | Exception]]
    ) -> Callable[[_Q], Awaitable[_A]]:
        """Work that is done for many at once, made into a function that asks for one of them.

        While it is being done for some, those that come meanwhile gather. One that is cancelled takes nobody with it:
        what was begun for it ends as if somebody waited.

        Args:
            work: Gives as many outcomes as it gets questions; an exception is raised to who asked that question.
        """
        line: Together[_Q, _A] = Together(lambda questions: self._submit(lambda log: _told(work(log, questions))))

        async def ask(question: _Q) -> _A:
            return await self._hold(lambda: line.ask(question))

        return ask

    async def commit(
        self, events: Sequence[NewEvent], expected_head: Mapping[EntityKey, int] | None = None
    ) -> Sequence[LoggedEvent]:
        """`DecisionLog.commit`, in a transaction with the others that wait for one.

        Raises:
            LedgerUnavailableError: As `run`.
        """
        return await self._commit(NewCommit(events, expected_head))

    async def _hold(self, begin: "Callable[[], asyncio.Future[_T]]") -> _T:
        if self._held >= self._most:
            raise LedgerUnavailableError("has too many calls waiting", 1)
        future = begin()
        self._held += 1
        future.add_done_callback(self._let_go)
        return await future

    def _let_go(self, _future: "asyncio.Future[_T]") -> None:
        self._held -= 1

    def _submit(self, work: Callable[[DecisionLog], _T]) -> "asyncio.Future[_T]":
        return asyncio.get_running_loop().run_in_executor(self._pool, self._call, work)

    def _call(self, work: Callable[[DecisionLog], _T]) -> _T:
        from sqlalchemy.exc import SQLAlchemyError

        try:
            return work(self._opened())
        except SQLAlchemyError as error:
            raise _unavailable(error) from error

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


def _commit_many(log: DecisionLog, commits: Sequence[NewCommit]) -> Sequence[Sequence[LoggedEvent] | Exception]:
    return log.commit_many(commits)


def _told(outcomes: Sequence[_A | Exception]) -> Sequence[_A | Exception]:
    """The same, with one error for callers in the place of each of the database's."""
    from sqlalchemy.exc import SQLAlchemyError

    errors = {id(one): one for one in outcomes if isinstance(one, SQLAlchemyError)}
    told = {number: _unavailable(error) for number, error in errors.items()}
    return [told.get(id(one), one) for one in outcomes]


def _unavailable(error: Exception) -> LedgerUnavailableError:
    _log.error("the decision log failed", error=type(error).__name__, reason=str(error)[:500])
    return LedgerUnavailableError("cannot be read or written now")

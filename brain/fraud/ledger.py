"""The decision log, asked from the event loop: blocking work in a bounded number of threads, much of it together."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from brain.fraud.together import Together
from runtime.decision_log import DecisionLog, EntityKey, LoggedEvent, NewCommit, NewEvent
from runtime.problems import Problem
from runtime.store_threads import StoreThreads

_T = TypeVar("_T")
_Q = TypeVar("_Q")
_A = TypeVar("_A")


class LedgerUnavailableError(Problem):
    """The decision log cannot be read or written now; nothing was recorded."""

    def __init__(self, reason: str, retry_after_seconds: int) -> None:
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
        self._threads: StoreThreads[DecisionLog] = StoreThreads(
            "decision log", open_log, _is_databases, LedgerUnavailableError, threads=threads, waiting=waiting
        )
        self._commit = self.together(_commit_many)

    async def run(self, work: Callable[[DecisionLog], _T]) -> _T:
        """Do some work on the log and return what it returns; what the log refuses comes through as it is.

        Raises:
            LedgerUnavailableError: The database does not answer, or too many calls wait already.
        """
        return await self._threads.hold(lambda: self._threads.start(work))

    def together(
        self, work: Callable[[DecisionLog, Sequence[_Q]], Sequence[_A | Exception]]
    ) -> Callable[[_Q], Awaitable[_A]]:
        """Work that is done for many at once, made into a function that asks for one of them.

        While it is being done for some, those that come meanwhile gather. One that is cancelled takes nobody with it:
        what was begun for it ends as if somebody waited.

        Args:
            work: Gives as many outcomes as it gets questions; an exception is raised to who asked that question.
        """
        line: Together[_Q, _A] = Together(
            lambda questions: self._threads.start(lambda log: self._told(work(log, questions)))
        )

        async def ask(question: _Q) -> _A:
            return await self._threads.hold(lambda: line.ask(question))

        return ask

    async def commit(
        self, events: Sequence[NewEvent], expected_head: Mapping[EntityKey, int] | None = None
    ) -> Sequence[LoggedEvent]:
        """`DecisionLog.commit`, in a transaction with the others that wait for one.

        Raises:
            LedgerUnavailableError: As `run`.
        """
        return await self._commit(NewCommit(events, expected_head))

    def close(self) -> None:
        """Wait for the work in hand and close the log."""
        self._threads.close()

    def _told(self, outcomes: Sequence[_A | Exception]) -> Sequence[_A | Exception]:
        """The same, with one error for callers in the place of each of the database's."""
        errors = {id(one): one for one in outcomes if isinstance(one, Exception)}
        told = {number: self._threads.told(error) for number, error in errors.items()}
        return [told.get(id(one), one) for one in outcomes]


def _commit_many(log: DecisionLog, commits: Sequence[NewCommit]) -> Sequence[Sequence[LoggedEvent] | Exception]:
    return log.commit_many(commits)


def _is_databases(error: Exception) -> bool:
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(error, SQLAlchemyError)

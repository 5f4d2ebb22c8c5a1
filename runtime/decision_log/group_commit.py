"""Commits of many threads in one transaction, since what a commit costs is mostly the flush at its end."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy.exc import OperationalError

from runtime.decision_log.append import Commit, append
from runtime.decision_log.database import Database

_MOST = 64


@dataclass(eq=False)
class _Waiting:
    """A thread's commits in line; `woken` is set when they have ended, or when it is their thread's turn to lead."""

    commits: Sequence[Commit]
    woken: threading.Event = field(default_factory=threading.Event)
    ended: bool = False


class GroupCommit:
    """While one thread commits, those that come meanwhile line up, and the first of them commits for all.

    A refusal is a commit's own. Rows that the database does not take undo the common transaction, and each commit is
    then made alone. Where the database itself fails, all fail.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mutex = threading.Lock()
        self._queue: list[_Waiting] = []
        self._led = False

    def run(self, commits: Sequence[Commit]) -> None:
        """Make commits, alone or with others'; returns when each is durable or has its error."""
        mine = _Waiting(commits)
        with self._mutex:
            self._queue.append(mine)
            follows, self._led = self._led, True
        if follows:
            try:
                mine.woken.wait()
            except BaseException:
                self._leave(mine)
                raise
        if not mine.ended:
            self._lead()

    def _lead(self) -> None:
        with self._mutex:
            group, self._queue = self._queue[:_MOST], self._queue[_MOST:]
        try:
            self._commit([commit for one in group for commit in one.commits])
        finally:
            with self._mutex:
                self._pass_on()
            for one in group:
                one.ended = True
                one.woken.set()

    def _leave(self, mine: _Waiting) -> None:
        """Step out of the line; whose turn it was, hands it on."""
        with self._mutex:
            if mine in self._queue:
                self._queue.remove(mine)
                if mine.woken.is_set():
                    self._pass_on()

    def _pass_on(self) -> None:
        self._led = bool(self._queue)
        if self._led:
            self._queue[0].woken.set()

    def _commit(self, commits: list[Commit]) -> None:
        try:
            with self._database.writing() as connection:
                append(connection, commits, self._database.now())
        except Exception as error:  # noqa: BLE001 - it is raised again in the threads whose commits these are
            if len(commits) == 1 or isinstance(error, OperationalError):
                return _fail(commits, error)
            for one in commits:
                self._commit([one])
        except BaseException:
            _fail(commits, InterruptedError("the thread that committed for this one was interrupted; commit again"))
            raise
        return None


def _fail(commits: list[Commit], error: Exception) -> None:
    for one in commits:
        one.error = error

"""Commits of many threads in one transaction, since what a commit costs is the flush at its end."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sqlalchemy import Connection

from runtime.decision_log.database import Database
from runtime.decision_log.errors import CommitRefusedError

_T = TypeVar("_T")
_MOST = 64


@dataclass(eq=False)
class _Waiting(Generic[_T]):
    """One commit; `woken` is set when it has ended, or when it is its thread's turn to lead."""

    work: Callable[[Connection], _T]
    woken: threading.Event = field(default_factory=threading.Event)
    ended: bool = False
    answer: _T | None = None
    error: Exception | None = None

    def result(self) -> _T:
        if self.error is not None:
            raise self.error
        return self.answer  # type: ignore[return-value]


class _SpoiltError(Exception):
    """One of a group's commits cannot be made, and the transaction that they share is undone."""

    def __init__(self, waiting: _Waiting[_T], error: Exception) -> None:
        super().__init__(error)
        self.waiting = waiting
        self.error = error


class GroupCommit(Generic[_T]):
    """While one thread commits, those that come meanwhile line up, and the first of them commits for all.

    A refusal of one is its own: it is made before anything is written. Where writing one goes wrong otherwise, the
    common transaction is undone and the others are committed without it. Where the database itself fails, all fail.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._mutex = threading.Lock()
        self._queue: list[_Waiting[_T]] = []
        self._led = False

    def run(self, work: Callable[[Connection], _T]) -> _T:
        """Do some work in a transaction, alone or with others; returns when it is durable."""
        mine = _Waiting(work)
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
        return mine.result()

    def _lead(self) -> None:
        with self._mutex:
            group, self._queue = self._queue[:_MOST], self._queue[_MOST:]
        try:
            self._commit(group)
        finally:
            with self._mutex:
                self._pass_on()
            for one in group:
                one.ended = True
                one.woken.set()

    def _leave(self, mine: _Waiting[_T]) -> None:
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

    def _commit(self, group: list[_Waiting[_T]]) -> None:
        while group:
            try:
                self._together(group)
            except _SpoiltError as spoilt:
                spoilt.waiting.error = spoilt.error
                group = [one for one in group if one is not spoilt.waiting]
            except Exception as error:  # noqa: BLE001 - it is raised again in the threads whose commits these are
                return _end(group, error)
            except BaseException:
                _end(group, InterruptedError("the thread that committed for this one was interrupted; commit again"))
                raise
            else:
                return None
        return None

    def _together(self, group: list[_Waiting[_T]]) -> None:
        with self._database.writing() as connection:
            for one in group:
                try:
                    one.answer, one.error = one.work(connection), None
                except CommitRefusedError as error:
                    one.error = error
                except Exception as error:
                    raise _SpoiltError(one, error) from error


def _end(group: list[_Waiting[_T]], error: Exception) -> None:
    for one in group:
        one.error = error

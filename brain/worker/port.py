"""What a handler of a kind of run gets, and what it gives."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from brain.runs.port import Progress, Run, RunState, Task, TaskChange


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        state: A terminal one.
        reason: Finer than the state; its first word is the machine's, after `: ` words may follow.
        result: JSON.
        changes: What becomes of tasks in the same commit.
        progress: How far it came; None leaves it as it was told last.
    """

    state: RunState
    reason: str = ""
    result: object = None
    changes: Sequence[TaskChange] = ()
    progress: Progress | None = None


@dataclass(frozen=True)
class Rest:
    """A run has nothing to do before a moment: it is given back, and any worker takes it from then on."""

    until: datetime


class Held(Protocol):
    """A run under a lease that somebody else renews; only for the event loop that made it."""

    @property
    def run(self) -> Run:
        """As it was at the last commit or renewal."""
        ...

    @property
    def tasks(self) -> Sequence[Task]:
        """As they were when the run was taken."""
        ...

    @property
    def stop(self) -> asyncio.Event:
        """Set when nothing new is to begin: the caller asked to cancel, the lease was lost, or the worker drains."""
        ...

    @property
    def cancelling(self) -> bool:
        """Whether the caller asked to cancel."""
        ...

    async def commit(
        self, changes: Sequence[TaskChange] = (), *, progress: Progress | None = None, event: str | None = None
    ) -> Run:
        """Record what was done, all of it or nothing; waits while the database is away, as long as the lease lasts.

        Raises:
            LeaseLostError: Another worker has the run, or may have it; end at once.
        """
        ...


class Handler(Protocol):
    """Carries out the runs of a kind."""

    async def __call__(self, held: Held) -> Outcome | Rest | None:
        """Work until the run has ended, or rests; None gives it back unfinished, which only a worker that drains wants.

        A `Problem` that it raises ends the run as failed with the problem as its result; any other exception does too,
        without its text.
        """
        ...

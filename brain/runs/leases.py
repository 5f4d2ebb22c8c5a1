"""What workers do to runs: each holds a run for a while, under an epoch that every commit names.

A worker that was stopped and wakes finds its epoch gone: the row that it would change is no longer there under that
condition, and nothing of its commit is kept.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, select, update

from brain.runs.errors import LeaseLostError
from brain.runs.fair import next_queued
from brain.runs.history import note
from brain.runs.port import TERMINAL, Claimed, Progress, Run, RunState, Task, TaskChange
from brain.runs.rows import AnyRow, progress_text, text
from brain.runs.schema import runs, tasks
from runtime.moments import microseconds, moment
from runtime.one_writer import OneWriter

_ENDED_TASKS = ("succeeded", "failed", "skipped", "cancelled", "outcome_unknown")


class Leases:
    """The workers' half of a run store."""

    def __init__(self, database: OneWriter) -> None:
        self._database = database

    @abstractmethod
    def _run(self, connection: Connection, run_id: str, owner: str | None = None) -> Run: ...

    @abstractmethod
    def _tasks(self, connection: Connection, run_id: str) -> Sequence[Task]: ...

    def claim(self, holder: str, lease_seconds: float, kinds: Sequence[str]) -> Claimed | None:
        """Take the run that is next; see `RunStore.claim`."""
        with self._database.writing() as connection:
            now_us = self._database.database_now(connection)
            row = self._abandoned(connection, kinds, now_us) or next_queued(connection, list(kinds), now_us)
            if row is None:
                return None
            epoch, until_us = row.epoch + 1, now_us + round(lease_seconds * 1e6)
            state = "running" if row.state == "queued" else row.state
            held = {"holder": holder, "epoch": epoch, "lease_until_us": until_us, "state": state}
            begun = {"started_us": now_us} if row.started_us is None else {}
            connection.execute(update(runs).where(runs.c.id == row.id).values(**held, **begun))
            note(connection, row.id, now_us, "claimed", {"holder": holder, "epoch": epoch})
            return Claimed(self._run(connection, row.id), self._tasks(connection, row.id), epoch, moment(until_us))

    def renew(self, claimed: Claimed, lease_seconds: float) -> Claimed:
        """Hold a run longer; see `RunStore.renew`."""
        with self._database.writing() as connection:
            now_us = self._database.database_now(connection)
            until_us = now_us + round(lease_seconds * 1e6)
            self._under(connection, claimed, now_us, {"lease_until_us": until_us})
            return replace(claimed, run=self._run(connection, claimed.run.id), lease_until=moment(until_us))

    def commit(
        self,
        claimed: Claimed,
        changes: Sequence[TaskChange] = (),
        *,
        state: RunState | None = None,
        reason: str | None = None,
        result: object = None,
        progress: Progress | None = None,
        event: str | None = None,
    ) -> Run:
        """Record what was done under a lease; see `RunStore.commit`."""
        if state is not None and state not in TERMINAL:
            raise ValueError(f"a commit may end a run as one of {', '.join(TERMINAL)}, received {state!r}")
        with self._database.writing() as connection:
            now_us = self._database.database_now(connection)
            values = _run_changes(state, reason, result, progress, now_us)
            spent = sum(change.cost_minor or 0 for change in changes)
            self._under(connection, claimed, now_us, {**values, "spent_minor": runs.c.spent_minor + spent})
            for change in changes:
                _apply(connection, claimed.run.id, change, now_us)
            told = {"tasks": [{"id": one.id, "state": one.state} for one in changes]} if changes else {}
            note(connection, claimed.run.id, now_us, event or state or "progress", told)
            return self._run(connection, claimed.run.id)

    def release(self, claimed: Claimed) -> None:
        """Give a run back unfinished; see `RunStore.release`."""
        with self._database.writing() as connection:
            now_us = self._database.database_now(connection)
            try:
                self._under(connection, claimed, now_us, {"lease_until_us": now_us, "holder": None})
            except LeaseLostError:
                return
            note(connection, claimed.run.id, now_us, "released", {})

    def _abandoned(self, connection: Connection, kinds: Sequence[str], now_us: int) -> AnyRow | None:
        held = runs.c.state.in_(("running", "cancelling"))
        ended = held & runs.c.kind.in_(kinds) & (runs.c.lease_until_us <= now_us)
        oldest = select(runs).where(ended).order_by(runs.c.lease_until_us, runs.c.id).limit(1)
        return connection.execute(oldest).first()

    def _under(self, connection: Connection, claimed: Claimed, now_us: int, values: Mapping[str, object]) -> None:
        """Change a run if it is still held under the same epoch."""
        mine: ColumnElement[bool] = (runs.c.id == claimed.run.id) & (runs.c.epoch == claimed.epoch)
        mine &= runs.c.state.in_(("running", "cancelling")) & (runs.c.lease_until_us > now_us)
        if connection.execute(update(runs).where(mine).values(**values)).rowcount != 1:
            raise LeaseLostError(claimed.run.id, claimed.epoch)


def _run_changes(
    state: RunState | None, reason: str | None, result: object, progress: Progress | None, now_us: int
) -> dict[str, object]:
    values: dict[str, object] = {}
    if state is not None:
        values |= {"state": state, "finished_us": now_us, "lease_until_us": None, "holder": None}
    if reason is not None:
        values["reason"] = reason
    if result is not None:
        values["result"] = text(result)
    if progress is not None:
        values["progress"] = progress_text(progress)
    return values


def _apply(connection: Connection, run_id: str, change: TaskChange, now_us: int) -> None:
    values: dict[str, object] = {"state": change.state}
    if change.attempt is not None:
        values["attempt"] = change.attempt
    if change.state == "running":
        values["started_us"] = now_us
    if change.state in _ENDED_TASKS:
        values["finished_us"] = now_us
    values["due_us"] = None if change.due_at is None else microseconds(change.due_at)
    if change.result is not None:
        values["result"] = text(change.result)
    if change.error is not None:
        values["error"] = text(change.error)
    if change.cost_minor is not None:
        values["cost_minor"] = change.cost_minor
    one = (tasks.c.run_id == run_id) & (tasks.c.id == change.id) & tasks.c.state.not_in(_ENDED_TASKS)
    if connection.execute(update(tasks).where(one).values(**values)).rowcount != 1:
        raise ValueError(f"run {run_id!r} has no task {change.id!r} that has not ended; a recorded result stands")

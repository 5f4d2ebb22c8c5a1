"""What workers do to runs: each holds a run for a while, under an epoch that every commit names.

A worker that was stopped and wakes finds its epoch gone: the row that it would change is no longer there under that
condition, and nothing of its commit is kept.
"""

import json
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from brain.runs.ended import end_queued
from brain.runs.errors import LeaseLostError
from brain.runs.fair import next_queued
from brain.runs.history import note
from brain.runs.port import TERMINAL, Claimed, Progress, Run, RunState, Task, TaskChange
from brain.runs.rows import AnyRow, progress_text, run_changes_of, run_of, text
from brain.runs.statements import (
    Statement,
    Values,
    abandoned,
    cancelling,
    change_task,
    execute,
    execute_each,
    hold,
    late,
    let_go,
    record,
    some_queued,
    take,
)
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
            row = _abandoned(connection, tuple(kinds), now_us) or next_queued(connection, tuple(kinds), now_us)
            if row is None:
                return None
            until_us = now_us + round(lease_seconds * 1e6)
            given = {"run_id": row.id, "now_us": now_us, "new_holder": holder, "new_lease_until_us": until_us}
            run = run_of(execute(connection, take, given).one())
            note(connection, run.id, now_us, "claimed", {"epoch": run.epoch})
            return Claimed(run, self._tasks(connection, run.id), run.epoch, moment(until_us))

    def claimable(self, kinds: Sequence[str]) -> bool:
        """Whether a run waits; see `RunStore.claimable`."""
        with self._database.reading() as connection:
            if execute(connection, some_queued(tuple(kinds)), {}).first() is not None:
                return True
            return _abandoned(connection, tuple(kinds), self._database.database_now(connection)) is not None

    def asked_to_stop(self, holder: str) -> Sequence[str]:
        """Runs of a worker that are cancelling; see `RunStore.asked_to_stop`."""
        with self._database.reading() as connection:
            return [row.id for row in execute(connection, cancelling, {"of_holder": holder})]

    def expire(self, limit: int = 100) -> Sequence[str]:
        """End queued runs that are too late; see `RunStore.expire`."""
        with self._database.reading() as connection:
            if execute(connection, late, {"now_us": self._database.now(), "most": 1}).first() is None:
                return []
        with self._database.writing() as connection:
            now_us = self._database.database_now(connection)
            found = [row.id for row in execute(connection, late, {"now_us": now_us, "most": limit})]
            for run_id in found:
                end_queued(connection, run_id, now_us, "failed", "expired: its deadline passed before it began")
            return found

    def renew(self, claimed: Claimed, lease_seconds: float) -> Claimed:
        """Hold a run longer; see `RunStore.renew`."""
        with self._database.writing() as connection:
            now_us = self._database.database_now(connection)
            until_us = now_us + round(lease_seconds * 1e6)
            run = _under(connection, claimed, now_us, hold, {"new_lease_until_us": until_us})
            return replace(claimed, run=run, lease_until=moment(until_us))

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
            values = _run_changes(state, reason, result, progress, now_us) | _spent(changes)
            run = _under(connection, claimed, now_us, record, values)
            _change_tasks(connection, claimed.run.id, changes, now_us)
            note(connection, claimed.run.id, now_us, event or state or "progress", _told(run, changes))
            return run

    def release(self, claimed: Claimed, until: datetime | None = None) -> None:
        """Give a run back unfinished; see `RunStore.release`."""
        with self._database.writing() as connection:
            now_us = self._database.database_now(connection)
            due_us = now_us if until is None else max(now_us, microseconds(until))
            try:
                _under(connection, claimed, now_us, let_go, {"new_lease_until_us": due_us})
            except LeaseLostError:
                return
            note(connection, claimed.run.id, now_us, "released", {})


def _abandoned(connection: Connection, kinds: tuple[str, ...], now_us: int) -> AnyRow | None:
    return execute(connection, abandoned(kinds), {"now_us": now_us}).first()


def _under(connection: Connection, claimed: Claimed, now_us: int, change: Statement, values: Values) -> Run:
    """Change a run if it is still held under the same epoch; the run as it is then."""
    held = {"run_id": claimed.run.id, "epoch_held": claimed.epoch, "now_us": now_us}
    row = execute(connection, change, {**held, **values}).first()
    if row is None:
        raise LeaseLostError(claimed.run.id, claimed.epoch)
    result = values.get("new_result")
    changed = run_changes_of(row)
    return replace(claimed.run, **changed, result=None if result is None else json.loads(str(result)))


def _told(run: Run, changes: Sequence[TaskChange]) -> dict[str, object]:
    """What an event says of a commit."""
    told: dict[str, object] = {"state": run.state, "progress": dict(vars(run.progress))}
    if run.reason:
        told["reason"] = run.reason
    if changes:
        told["tasks"] = [{"id": one.id, "state": one.state} for one in changes]
    return told


def _run_changes(
    state: RunState | None, reason: str | None, result: object, progress: Progress | None, now_us: int
) -> dict[str, object]:
    return {
        "new_state": state,
        "new_reason": reason,
        "new_result": None if result is None else text(result),
        "new_progress": None if progress is None else progress_text(progress),
        "new_finished_us": None if state is None else now_us,
    }


def _spent(changes: Sequence[TaskChange]) -> dict[str, object]:
    minor, seconds = sum(one.cost_minor or 0 for one in changes), sum(one.seconds or 0.0 for one in changes)
    return {"new_spent_minor": minor, "new_spent_seconds": float(seconds)}


def _change_tasks(connection: Connection, run_id: str, changes: Sequence[TaskChange], now_us: int) -> None:
    rows = [{"run_id": run_id, **_task_changes(change, now_us)} for change in changes]
    if rows and execute_each(connection, change_task, rows).rowcount != len(rows):
        names = ", ".join(repr(one.id) for one in changes)
        detail = f"of the tasks {names} of run {run_id!r} one is unknown or has ended; a recorded result stands"
        raise ValueError(detail)


def _task_changes(change: TaskChange, now_us: int) -> Mapping[str, object]:
    return {
        "task_id": change.id,
        "new_state": change.state,
        "new_attempt": change.attempt,
        "new_lost": change.lost,
        "new_due_us": None if change.due_at is None else microseconds(change.due_at),
        "new_result": None if change.result is None else text(change.result),
        "new_error": None if change.error is None else text(change.error),
        "new_cost_minor": change.cost_minor or 0,
        "new_seconds": change.seconds or 0.0,
        "new_started_us": now_us if change.state == "running" else None,
        "new_finished_us": now_us if change.state in _ENDED_TASKS else None,
    }

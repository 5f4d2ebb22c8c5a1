"""What workers do to runs: each holds a run for a while, under an epoch that every commit names.

A worker that was stopped and wakes finds its epoch gone: the row that it would change is no longer there under that
condition, and nothing of its commit is kept.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

from sqlalchemy import ColumnElement, Connection, select, update

from brain.runs.ended import end_queued
from brain.runs.errors import LeaseLostError
from brain.runs.fair import next_queued
from brain.runs.history import note
from brain.runs.port import TERMINAL, Claimed, Progress, Run, RunState, Task, TaskChange
from brain.runs.rows import AnyRow, progress_text, run_of, text
from brain.runs.schema import runs, tasks
from runtime.moments import microseconds, moment
from runtime.one_writer import OneWriter

_CANCELLING = runs.c.state == "cancelling"
_HELD = runs.c.state.in_(("running", "cancelling"))
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
            taken = update(runs).where(runs.c.id == row.id).values(**held, **begun).returning(runs)
            run = run_of(connection.execute(taken).one())
            note(connection, row.id, now_us, "claimed", {"epoch": epoch})
            return Claimed(run, self._tasks(connection, row.id), epoch, moment(until_us))

    def asked_to_stop(self, holder: str) -> Sequence[str]:
        """Runs of a worker that are cancelling; see `RunStore.asked_to_stop`."""
        with self._database.reading() as connection:
            return list(connection.scalars(select(runs.c.id).where(_HELD, runs.c.holder == holder, _CANCELLING)))

    def expire(self, limit: int = 100) -> Sequence[str]:
        """End queued runs that are too late; see `RunStore.expire`."""
        late = (runs.c.state == "queued") & (runs.c.deadline_us <= self._database.now())
        with self._database.reading() as connection:
            if connection.execute(select(runs.c.id).where(late).limit(1)).first() is None:
                return []
        with self._database.writing() as connection:
            now_us = self._database.database_now(connection)
            late = (runs.c.state == "queued") & (runs.c.deadline_us <= now_us)
            found = list(connection.scalars(select(runs.c.id).where(late).order_by(runs.c.deadline_us).limit(limit)))
            for run_id in found:
                end_queued(connection, run_id, now_us, "failed", "expired: its deadline passed before it began")
            return found

    def renew(self, claimed: Claimed, lease_seconds: float) -> Claimed:
        """Hold a run longer; see `RunStore.renew`."""
        with self._database.writing() as connection:
            now_us = self._database.database_now(connection)
            until_us = now_us + round(lease_seconds * 1e6)
            run = self._under(connection, claimed, now_us, {"lease_until_us": until_us})
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
            run = self._under(connection, claimed, now_us, values)
            for change in changes:
                _apply(connection, claimed.run.id, change, now_us)
            note(connection, claimed.run.id, now_us, event or state or "progress", _told(run, changes))
            return run

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
        ended = _HELD & runs.c.kind.in_(kinds) & (runs.c.lease_until_us <= now_us)
        oldest = select(runs).where(ended).order_by(runs.c.lease_until_us, runs.c.id).limit(1)
        return connection.execute(oldest).first()

    def _under(self, connection: Connection, claimed: Claimed, now_us: int, values: Mapping[str, object]) -> Run:
        """Change a run if it is still held under the same epoch; the run as it is then."""
        mine: ColumnElement[bool] = (runs.c.id == claimed.run.id) & (runs.c.epoch == claimed.epoch)
        mine &= _HELD & (runs.c.lease_until_us > now_us)
        row = connection.execute(update(runs).where(mine).values(**values).returning(runs)).first()
        if row is None:
            raise LeaseLostError(claimed.run.id, claimed.epoch)
        return run_of(row)


def _told(run: Run, changes: Sequence[TaskChange]) -> dict[str, object]:
    """What an event says of a commit."""
    told: dict[str, object] = {"state": run.state, "progress": asdict(run.progress)}
    if run.reason:
        told["reason"] = run.reason
    if changes:
        told["tasks"] = [{"id": one.id, "state": one.state} for one in changes]
    return told


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


def _spent(changes: Sequence[TaskChange]) -> dict[str, object]:
    minor, seconds = sum(one.cost_minor or 0 for one in changes), sum(one.seconds or 0.0 for one in changes)
    return {"spent_minor": runs.c.spent_minor + minor, "spent_seconds": runs.c.spent_seconds + seconds}


def _apply(connection: Connection, run_id: str, change: TaskChange, now_us: int) -> None:
    values: dict[str, object] = {"state": change.state}
    for field in ("attempt", "lost"):
        if getattr(change, field) is not None:
            values[field] = getattr(change, field)
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
        values["cost_minor"] = tasks.c.cost_minor + change.cost_minor
    if change.seconds is not None:
        values["seconds"] = tasks.c.seconds + change.seconds
    one = (tasks.c.run_id == run_id) & (tasks.c.id == change.id) & tasks.c.state.not_in(_ENDED_TASKS)
    if connection.execute(update(tasks).where(one).values(**values)).rowcount != 1:
        raise ValueError(f"run {run_id!r} has no task {change.id!r} that has not ended; a recorded result stands")

"""Ending a run that no worker has begun."""

from sqlalchemy import Connection, update

from brain.runs.history import note
from brain.runs.port import RunState
from brain.runs.schema import runs, tasks


def end_queued(connection: Connection, run_id: str, now_us: int, state: RunState, reason: str) -> None:
    """End a queued run and cancel its tasks, within a transaction that no other writer's overlaps."""
    ended = {"state": state, "reason": reason, "finished_us": now_us}
    connection.execute(update(runs).where(runs.c.id == run_id).values(ended))
    waiting = (tasks.c.run_id == run_id) & (tasks.c.state == "waiting")
    connection.execute(update(tasks).where(waiting).values(state="cancelled", finished_us=now_us))
    note(connection, run_id, now_us, state, {})

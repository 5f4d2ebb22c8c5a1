"""What the store tells about all runs together, for metrics and for the next plan's durations."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import func, select

from brain.runs.port import ACTIVE, PRIORITIES, Counts, Duration, RunState, RunTimes, TaskState
from brain.runs.rows import AnyRow
from brain.runs.schema import runs, tasks
from runtime.moments import microseconds, moment
from runtime.one_writer import OneWriter

_OF_TASKS = ("type", "state", "started_us", "finished_us", "estimate_seconds")
_OF_RUNS = ("kind", "state", "priority", "created_us", "started_us", "finished_us", "spent_minor")


class Figures:
    """The part of a run store that counts."""

    _database: OneWriter

    def durations(self, since: datetime, limit: int = 10_000) -> Sequence[Duration]:
        """Calls that have ended since a moment; see `RunStore.durations`."""
        ended = tasks.c.state.in_(("succeeded", "failed", "cancelled")) & tasks.c.started_us.is_not(None)
        query = (
            select(*(tasks.c[name] for name in _OF_TASKS), runs.c.kind)
            .join(runs, runs.c.id == tasks.c.run_id)
            .where(ended, tasks.c.finished_us >= microseconds(since))
            .order_by(tasks.c.finished_us.desc())
            .limit(limit)
        )
        with self._database.reading() as connection:
            rows = list(connection.execute(query))
        return [
            Duration(
                row.type,
                cast(TaskState, row.state),
                (row.finished_us - row.started_us) / 1e6,
                row.kind,
                moment(row.finished_us),
                row.estimate_seconds,
            )
            for row in rows
        ]

    def times(self, since: datetime, limit: int = 10_000) -> Sequence[RunTimes]:
        """Runs that are active or have ended since a moment; see `RunStore.times`."""
        wanted = runs.c.state.in_(ACTIVE) | (runs.c.finished_us >= microseconds(since))
        query = select(*(runs.c[name] for name in _OF_RUNS)).where(wanted)
        with self._database.reading() as connection:
            rows = list(connection.execute(query.order_by(runs.c.created_us.desc()).limit(limit)))
            now_us = self._database.database_now(connection)
        return [_times(row, now_us) for row in rows]

    def counts(self) -> Counts:
        """How many runs there are; see `RunStore.counts`."""
        by = (runs.c.kind, runs.c.state, runs.c.priority)
        with self._database.reading() as connection:
            rows = list(connection.execute(select(*by, func.count().label("number")).group_by(*by)))
            oldest_us = connection.scalar(select(func.min(runs.c.created_us)).where(runs.c.state == "queued"))
            now_us = self._database.database_now(connection)
        found = {(row.kind, cast(RunState, row.state), PRIORITIES[row.priority]): row.number for row in rows}
        return Counts(found, None if oldest_us is None else max(0.0, (now_us - oldest_us) / 1e6))


def _times(row: AnyRow, now_us: int) -> RunTimes:
    end_us = now_us if row.finished_us is None else row.finished_us
    begun_us = end_us if row.started_us is None else row.started_us
    return RunTimes(
        row.kind,
        cast(RunState, row.state),
        PRIORITIES[row.priority],
        max(0.0, (begun_us - row.created_us) / 1e6),
        None if row.started_us is None else max(0.0, (end_us - row.started_us) / 1e6),
        row.spent_minor,
        max(0.0, (now_us - end_us) / 1e6),
    )

"""What the store tells about all runs together, for metrics and for the next plan's durations."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import func, select

from brain.runs.port import PRIORITIES, Counts, Duration, RunState, TaskState
from brain.runs.schema import runs, tasks
from runtime.moments import microseconds, moment
from runtime.one_writer import OneWriter


class Figures:
    """The part of a run store that counts."""

    _database: OneWriter

    def durations(self, since: datetime, limit: int = 10_000) -> Sequence[Duration]:
        """Calls that have ended since a moment; see `RunStore.durations`."""
        ended = tasks.c.state.in_(("succeeded", "failed", "cancelled")) & tasks.c.started_us.is_not(None)
        query = (
            select(tasks.c.type, tasks.c.state, tasks.c.started_us, tasks.c.finished_us, runs.c.kind)
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
            )
            for row in rows
        ]

    def counts(self) -> Counts:
        """How many runs there are; see `RunStore.counts`."""
        by = (runs.c.kind, runs.c.state, runs.c.priority)
        with self._database.reading() as connection:
            rows = list(connection.execute(select(*by, func.count().label("number")).group_by(*by)))
            oldest_us = connection.scalar(select(func.min(runs.c.created_us)).where(runs.c.state == "queued"))
            now_us = self._database.database_now(connection)
        found = {(row.kind, cast(RunState, row.state), PRIORITIES[row.priority]): row.number for row in rows}
        return Counts(found, None if oldest_us is None else max(0.0, (now_us - oldest_us) / 1e6))

"""How far many runs have come, asked for all together."""

from collections.abc import Collection, Mapping
from typing import cast

from sqlalchemy import func, select

from brain.runs.port import RunState, Standing
from brain.runs.schema import events, runs
from runtime.one_writer import OneWriter


class Standings:
    """The part of a run store that those who wait for changes look at."""

    _database: OneWriter

    def standings(self, run_ids: Collection[str]) -> Mapping[str, Standing]:
        """How far each run has come; see `RunStore.standings`."""
        last = select(func.max(events.c.number)).where(events.c.run_id == runs.c.id).scalar_subquery()
        query = select(runs.c.id, runs.c.state, last.label("number")).where(runs.c.id.in_(run_ids))
        with self._database.reading() as connection:
            rows = connection.execute(query)
            return {row.id: Standing(row.number or 0, cast(RunState, row.state)) for row in rows}

"""How far the histories of many runs have come, asked for all together."""

from collections.abc import Collection, Mapping

from sqlalchemy import func, select

from brain.runs.schema import events, runs
from runtime.one_writer import OneWriter


class Newest:
    """The part of a run store that those who wait for changes look at."""

    _database: OneWriter

    def newest_events(self, run_ids: Collection[str]) -> Mapping[str, int]:
        """Number of the last event of each run that there is; see `RunStore.newest_events`."""
        last = select(func.max(events.c.number)).where(events.c.run_id == runs.c.id).scalar_subquery()
        query = select(runs.c.id, last.label("number")).where(runs.c.id.in_(run_ids))
        with self._database.reading() as connection:
            return {row.id: row.number or 0 for row in connection.execute(query)}

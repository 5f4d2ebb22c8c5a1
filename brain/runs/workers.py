"""The table of workers; what stands in it is in `presence`."""

from collections.abc import Sequence

from sqlalchemy import BigInteger, Column, Integer, Table, Text, delete, insert, select, update

from brain.runs.presence import Beat, SeenWorker
from brain.runs.schema import metadata
from runtime.moments import moment
from runtime.one_writer import OneWriter

_KEPT_US = 24 * 3600 * 1_000_000

workers = Table(
    "run_workers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("address", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("kinds", Text, nullable=False),
    Column("held", Integer, nullable=False),
    Column("places", Integer, nullable=False),
    Column("started_us", BigInteger, nullable=False),
    Column("seen_us", BigInteger, nullable=False),
)


class Workers:
    """The part of a run store that knows its workers."""

    _database: OneWriter

    def beat(self, beat: Beat) -> None:
        """Note that a worker lives; workers that were last seen a day ago are forgotten."""
        values = {
            "address": beat.address,
            "version": beat.version,
            "kinds": " ".join(beat.kinds),
            "held": beat.held,
            "places": beat.places,
        }
        with self._database.writing() as connection:
            now_us = self._database.database_now(connection)
            known = update(workers).where(workers.c.id == beat.id).values(**values, seen_us=now_us)
            if connection.execute(known).rowcount == 0:
                connection.execute(delete(workers).where(workers.c.seen_us < now_us - _KEPT_US))
                row = {"id": beat.id, **values, "started_us": now_us, "seen_us": now_us}
                connection.execute(insert(workers), row)

    def leave(self, worker_id: str) -> None:
        """Forget a worker that ends."""
        with self._database.writing() as connection:
            connection.execute(delete(workers).where(workers.c.id == worker_id))

    def seen_workers(self) -> Sequence[SeenWorker]:
        """Workers of the last day that have not left, those seen last first."""
        with self._database.reading() as connection:
            now_us = self._database.database_now(connection)
            rows = connection.execute(select(workers).order_by(workers.c.seen_us.desc(), workers.c.id))
            return [
                SeenWorker(
                    Beat(row.id, row.address, row.version, tuple(row.kinds.split()), row.held, row.places),
                    moment(row.started_us),
                    moment(row.seen_us),
                    max(0.0, (now_us - row.seen_us) / 1e6),
                )
                for row in rows
            ]

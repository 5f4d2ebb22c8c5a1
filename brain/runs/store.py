"""The run store in SQL: accepting, reading and cancelling; what workers do to runs is in `leases`."""

from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy import Connection, and_, case, insert, make_url, or_, select, update

from brain.runs.cursor import read_cursor, write_cursor
from brain.runs.ended import end_queued
from brain.runs.errors import KeyUsedError, RunEndedError, RunNotFoundError
from brain.runs.figures import Figures
from brain.runs.history import note
from brain.runs.leases import Leases
from brain.runs.port import TERMINAL, NewRun, Page, Run, RunEvent, RunState, Task
from brain.runs.rows import event_of, run_of, run_values, task_of, task_values
from brain.runs.schema import events, metadata, runs, tasks
from brain.runs.standings import Standings
from brain.runs.statements import execute, tasks_in_order
from brain.runs.workers import Workers
from runtime.one_writer import OneWriter

KEY_LIFETIME = timedelta(hours=24)
FROZEN_MS = 10_000
"""How long a writer may do nothing within a transaction."""

_LOCK = 7_203_125  # any constant that nothing else in the database uses, nor the one after it


class SqlRunStore(Leases, Figures, Standings, Workers):
    """See `RunStore`.

    Args:
        database_url: `sqlite:///…` or `postgresql://…`.
        clock: Microseconds since 1970 UTC; by default the database's.
    """

    def __init__(self, database_url: str, clock: Callable[[], int] | None = None) -> None:
        super().__init__(OneWriter(_not_holding_up(database_url), metadata, _LOCK, clock))

    def create(self, new: NewRun) -> Run:
        """Accept a run, or give back the one that its key made; see `RunStore.create`."""
        with self._database.writing() as connection:
            now_us = self._database.database_now(connection)
            earlier = self._by_key(connection, new, now_us)
            if earlier is not None:
                return earlier
            connection.execute(insert(runs), run_values(new, now_us))
            rows = [task_values(new.id, place, task, now_us) for place, task in enumerate(new.tasks)]
            if rows:
                connection.execute(insert(tasks), rows)
            note(connection, new.id, now_us, "queued", {})
            return self._run(connection, new.id)

    def get(self, run_id: str, owner: str | None = None) -> Run:
        """One run; see `RunStore.get`."""
        with self._database.reading() as connection:
            return self._run(connection, run_id, owner)

    def tasks(self, run_id: str) -> Sequence[Task]:
        """Its tasks, in the order in which they were given."""
        with self._database.reading() as connection:
            return self._tasks(connection, run_id)

    def list(
        self,
        owner: str | None = None,
        *,
        kind: str | None = None,
        state: RunState | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Runs, newest first; see `RunStore.list`."""
        query = select(runs).order_by(runs.c.created_us.desc(), runs.c.id.desc()).limit(limit + 1)
        for column, value in ((runs.c.owner, owner), (runs.c.kind, kind), (runs.c.state, state)):
            if value is not None:
                query = query.where(column == value)
        if cursor is not None:
            created_us, run_id = read_cursor(cursor)
            older = and_(runs.c.created_us == created_us, runs.c.id < run_id)
            query = query.where(or_(runs.c.created_us < created_us, older))
        with self._database.reading() as connection:
            rows = list(connection.execute(query))
        more = len(rows) > limit
        last = rows[limit - 1] if more else None
        found = [run_of(row) for row in rows[:limit]]
        return Page(found, None if last is None else write_cursor(last.created_us, last.id))

    def events(self, run_id: str, after: int = 0, limit: int = 100) -> Sequence[RunEvent]:
        """What happened after an event, ascending."""
        query = select(events).where(events.c.run_id == run_id, events.c.number > after)
        with self._database.reading() as connection:
            return [event_of(row) for row in connection.execute(query.order_by(events.c.number).limit(limit))]

    def ask_cancel(self, run_id: str, owner: str | None = None) -> Run:
        """Ask an active run to stop; see `RunStore.ask_cancel`."""
        with self._database.writing() as connection:
            run = self._run(connection, run_id, owner)
            if run.state in TERMINAL:
                raise RunEndedError(run_id, run.state)
            if run.state == "cancelling":
                return run
            now_us = self._database.database_now(connection)
            if run.state == "queued":
                end_queued(connection, run_id, now_us, "cancelled", "cancelled: before it began")
            else:
                at_once = case((runs.c.holder.is_(None), now_us), else_=runs.c.lease_until_us)
                asked = {"state": "cancelling", "lease_until_us": at_once}
                connection.execute(update(runs).where(runs.c.id == run_id).values(asked))
                note(connection, run_id, now_us, "cancelling", {})
            return self._run(connection, run_id)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _by_key(self, connection: Connection, new: NewRun, now_us: int) -> Run | None:
        if new.idempotency_key is None:
            return None
        since_us = now_us - KEY_LIFETIME // timedelta(microseconds=1)
        same = (runs.c.owner == new.owner) & (runs.c.idempotency_key == new.idempotency_key)
        row = connection.execute(select(runs).where(same, runs.c.created_us > since_us)).first()
        if row is None:
            return None
        if row.request_digest != new.request_digest:
            raise KeyUsedError(new.idempotency_key, row.id)
        return run_of(row)

    def _run(self, connection: Connection, run_id: str, owner: str | None = None) -> Run:
        row = connection.execute(select(runs).where(runs.c.id == run_id)).first()
        if row is None or (owner is not None and row.owner != owner):
            raise RunNotFoundError(run_id)
        return run_of(row)

    def _tasks(self, connection: Connection, run_id: str) -> Sequence[Task]:
        return [task_of(row) for row in execute(connection, tasks_in_order, {"of_run": run_id})]


def _not_holding_up(database_url: str) -> str:
    """An address under which PostgreSQL ends a transaction that its process has stopped working on.

    Every writer stands in one line; who is frozen within a transaction would hold up all others for as long.
    """
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return database_url
    given = url.query.get("options", "")
    options = (
        f"{given if isinstance(given, str) else ' '.join(given)} -c idle_in_transaction_session_timeout={FROZEN_MS}"
    )
    return url.update_query_dict({"options": options.strip()}).render_as_string(hide_password=False)

"""How far readers of the log have come."""

from sqlalchemy import bindparam, case, select
from sqlalchemy.dialects import postgresql, sqlite

from runtime.decision_log.database import Database
from runtime.decision_log.records import CursorState
from runtime.decision_log.schema import cursors
from runtime.moments import moment


class SqlCursors:
    """Cursors that move forward only."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> CursorState:
        """Where a reader stands."""
        with self._database.reading() as connection:
            row = connection.execute(_GET, {"name": name}).first()
        return CursorState(0, None) if row is None else CursorState(row.sequence, moment(row.touched_at_us))

    def put(self, name: str, sequence: int) -> int:
        """Move a reader forward and note the time."""
        if sequence < 0:
            raise ValueError(f"sequences start at 1 and 0 stands before them, received {sequence} for {name!r}")
        insert = postgresql.insert if self._database.dialect == "postgresql" else sqlite.insert
        put = insert(cursors).values(name=name, sequence=sequence, touched_at_us=self._database.now())
        further = case((put.excluded.sequence > cursors.c.sequence, put.excluded.sequence), else_=cursors.c.sequence)
        moved = put.on_conflict_do_update(
            index_elements=["name"], set_={"sequence": further, "touched_at_us": put.excluded.touched_at_us}
        )
        with self._database.writing() as connection:
            return int(connection.execute(moved.returning(cursors.c.sequence)).scalar_one())


_GET = select(cursors).where(cursors.c.name == bindparam("name"))

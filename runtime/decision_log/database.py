"""The log's database: its one writer at a time, its clock, and lists as one parameter."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext

from sqlalchemy import ColumnElement, Connection, Text, any_, bindparam, cast, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.sql.selectable import TableValuedAlias

from runtime.database import open_engine
from runtime.decision_log.quick import Reader, as_sqlalchemy, reading
from runtime.decision_log.schema import metadata
from runtime.moments import system_microseconds

_SCHEMA_LOCK = 7_203_115
_WRITER_LOCK = 7_203_116  # any constants that nothing else in the database uses


class Database:
    """Connections to the log.

    Writers stand in line, so that sequences become visible in their order. On PostgreSQL the line is an advisory lock
    of the transaction, given back only when its rows can be seen. On SQLite it is the file's lock; threads of one
    process line up before it, because SQLite lets those who wait poll, and who polls may wait for long.

    Args:
        database_url: `sqlite:///…` or `postgresql://…`.
        clock: Microseconds since 1970 UTC.
    """

    def __init__(self, database_url: str, clock: Callable[[], int] = system_microseconds) -> None:
        self.now = clock
        self.engine = open_engine(database_url)
        self.dialect = self.engine.dialect.name
        self._reader = self.engine.execution_options(reads_only=True)
        self._line: AbstractContextManager[object] = threading.Lock() if self.dialect == "sqlite" else nullcontext()
        with self.engine.begin() as connection:
            self._lock(connection, _SCHEMA_LOCK)
            metadata.create_all(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that waits for no writer."""
        with self._reader.connect() as connection:
            yield connection

    def looking(self) -> AbstractContextManager[Reader]:
        """The same for queries that every case makes."""
        return reading(self.engine)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other writer's overlaps; committed when the block ends well."""
        with self._line, as_sqlalchemy(self.engine), self.engine.begin() as connection:
            self._lock(connection, _WRITER_LOCK)
            yield connection

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def _lock(self, connection: Connection, key: int) -> None:
        if self.dialect == "postgresql":
            connection.execute(_ADVISORY_LOCK, {"key": key})


_ADVISORY_LOCK = text("SELECT pg_advisory_xact_lock(:key)")


def listed(parameter: str, dialect: str) -> TableValuedAlias:
    """A list that is given as one parameter, see `as_list`, as rows of one column `value`."""
    if dialect == "postgresql":
        return func.unnest(_text_array(parameter)).table_valued("value").render_derived()
    return func.json_each(bindparam(parameter, type_=Text)).table_valued("value")


def among(column: ColumnElement[str], parameter: str, dialect: str) -> ColumnElement[bool]:
    """`column` is one of a list that is given as one parameter: no limit, one statement for all lengths."""
    if dialect == "postgresql":
        return column == any_(_text_array(parameter))
    return column.in_(select(listed(parameter, dialect).c.value))


def _text_array(parameter: str) -> ColumnElement[Sequence[str]]:
    return cast(bindparam(parameter, type_=ARRAY(Text)), ARRAY(Text))


def as_list(values: Sequence[str], dialect: str) -> object:
    """The value of a parameter of `listed` or `among`."""
    if dialect == "postgresql":
        return list(values)
    return json.dumps(list(values))

"""Statements on the way of every case, given to the driver as text.

What SQLAlchemy spends on running one is ten times what SQLite spends; it still writes it and lends the connection.
"""

from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import cast

from sqlalchemy import Connection, Engine, Insert, Row, Select
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.exc import DBAPIError

AnyRow = Row[tuple[object, ...]]

_DIALECTS = {"sqlite": pysqlite.dialect(paramstyle="named"), "postgresql": psycopg.dialect()}  # type: ignore[no-untyped-call]

MakeQuery = Callable[[str], "Select[*tuple[object, ...]]"]
"""A query for a dialect, with names for what is bound."""


@dataclass(frozen=True)
class Reader:
    """A transaction's cursor; see `reader` and `reading`."""

    dialect: str
    cursor: DBAPICursor

    def rows(self, query: MakeQuery, **parameters: object) -> Sequence[AnyRow]:
        """All rows of a query."""
        compiled = _compiled(query, self.dialect)
        self.cursor.execute(compiled.text, {**compiled.fixed, **parameters})
        return [compiled.row(one) for one in self.cursor.fetchall()]


def reader(connection: Connection) -> Reader:
    """Reads within the transaction of a connection; its errors are the driver's own, see `as_sqlalchemy`."""
    return Reader(connection.dialect.name, connection.connection.cursor())


@contextmanager
def reading(engine: Engine) -> Iterator[Reader]:
    """A read of its own that waits for no writer; on SQLite it sees the log as it stood at its first query."""
    with as_sqlalchemy(engine):
        connection = engine.raw_connection()
        try:
            cursor = connection.cursor()
            if engine.dialect.name == "sqlite":
                cursor.execute("BEGIN")
            yield Reader(engine.dialect.name, cursor)
        finally:
            connection.close()


@contextmanager
def as_sqlalchemy(engine: Engine) -> Iterator[None]:
    """Raise the driver's errors as SQLAlchemy's, as they come from everything else."""
    errors = engine.dialect.loaded_dbapi.Error
    try:
        yield
    except errors as error:
        raise DBAPIError.instance(None, None, error, errors, dialect=engine.dialect) from error


def insert_text(statement: Insert, columns: Sequence[str], dialect: str) -> str:
    """An insert of rows that have these columns, for rows by name."""
    return str(statement.compile(dialect=_DIALECTS[dialect], column_keys=list(columns)))


@dataclass(frozen=True)
class _Compiled:
    text: str
    fixed: Mapping[str, object]
    """What is bound but not named by the query, such as an offset of 0."""
    row: Callable[[Sequence[object]], AnyRow]


@cache
def _compiled(query: MakeQuery, dialect: str) -> _Compiled:
    made = query(dialect)
    compiled = made.compile(dialect=_DIALECTS[dialect])
    fixed = {name: value for name, value in compiled.params.items() if value is not None}
    row = namedtuple("row", made.selected_columns.keys())  # type: ignore[misc]
    return _Compiled(str(compiled), fixed, cast(Callable[[Sequence[object]], AnyRow], row._make))

"""Engines whose commits are durable, SQLite in WAL mode with full flushes or PostgreSQL; tables whose rows are kept."""

import sqlite3
from pathlib import Path

from sqlalchemy import DDL, Connection, Engine, Table, create_engine, event, make_url
from sqlalchemy.engine import URL
from sqlalchemy.pool import ConnectionPoolEntry

_BUSY_TIMEOUT_MS = 15_000
_CONNECT_TIMEOUT_SECONDS = 10


def open_engine(database_url: str) -> Engine:
    """Make an engine; nothing is connected yet.

    A transaction on SQLite takes the one writer's place when it begins, unless it runs with the execution option
    `reads_only=True`: it then sees the database as it stood at its first statement, and waits for nobody.

    Raises:
        ValueError: The address is neither SQLite's nor PostgreSQL's. Its text is not repeated: it may hold a password.
    """
    url = make_url(database_url)
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _sqlite(url)
    if backend in ("postgresql", "postgres"):
        return create_engine(
            url.set(drivername="postgresql+psycopg"),
            pool_pre_ping=True,
            pool_size=2,
            connect_args={"connect_timeout": _CONNECT_TIMEOUT_SECONDS},
        )
    raise ValueError(f"a database address of kind {backend!r} is not supported; use sqlite:/// or postgresql://")


def _sqlite(url: URL) -> Engine:
    if url.database and url.database != ":memory:":
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url)
    event.listen(engine, "connect", _on_sqlite_connect)
    event.listen(engine, "begin", _begin)
    return engine


def _on_sqlite_connect(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says so, not at the first write
    for pragma in (f"busy_timeout = {_BUSY_TIMEOUT_MS}", "journal_mode = WAL", "synchronous = FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    reads = connection.get_execution_options().get("reads_only", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


_SQLITE_APPEND_ONLY = (
    "CREATE TRIGGER IF NOT EXISTS {table}_{verb} BEFORE {VERB} ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{what} is append-only'); END"
)
_POSTGRES_FUNCTION = (
    "CREATE OR REPLACE FUNCTION {table}_are_kept() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN RAISE EXCEPTION '{what} is append-only'; END $$"
)
_POSTGRES_APPEND_ONLY = (
    "CREATE OR REPLACE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
    "FOR EACH STATEMENT EXECUTE FUNCTION {table}_are_kept()"
)


def keep_rows(table: Table, what: str) -> None:
    """Let the database itself refuse to edit or delete rows of a table, by triggers that are made with it.

    Args:
        table: Not created yet.
        what: What the table is part of, for the refusal: "`what` is append-only".
    """
    for verb in ("update", "delete"):
        _after_create(table, _SQLITE_APPEND_ONLY, "sqlite", what=what, verb=verb, VERB=verb.upper())
    for statement in (_POSTGRES_FUNCTION, _POSTGRES_APPEND_ONLY):
        _after_create(table, statement, "postgresql", what=what)


def _after_create(table: Table, statement: str, dialect: str, **words: str) -> None:
    ddl: DDL = DDL(statement.format(table=table.name, **words))  # type: ignore[no-untyped-call]
    event.listen(table, "after_create", ddl.execute_if(dialect=dialect))

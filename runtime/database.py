"""Engines whose commits are durable: SQLite in WAL mode with full flushes, or PostgreSQL."""

import sqlite3
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, make_url
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

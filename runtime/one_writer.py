"""A database with one writer at a time, SQLite or PostgreSQL, and its clock."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from sqlalchemy import Connection, MetaData, text

from runtime.database import open_engine
from runtime.moments import system_microseconds


class OneWriter:
    """Connections to a database whose writers stand in line, so that what they number becomes visible in its order.

    On PostgreSQL the line is an advisory lock of the transaction, given back only when its rows can be seen. On SQLite
    it is the file's lock; threads of one process line up before it, because SQLite lets those who wait poll, and who
    polls may wait for long.

    Args:
        database_url: `sqlite:///…` or `postgresql://…`.
        metadata: Tables to create where they are missing.
        lock: Any constant that nothing else in the database locks; it and the next one are taken.
        clock: Microseconds since 1970 UTC; by default `database_now` is the database's own.
    """

    def __init__(
        self, database_url: str, metadata: MetaData, lock: int, clock: Callable[[], int] | None = None
    ) -> None:
        self.now = clock or system_microseconds
        self._given_clock = clock
        self._writer_lock = lock + 1
        self.engine = open_engine(database_url)
        self.dialect = self.engine.dialect.name
        self._reader = self.engine.execution_options(reads_only=True)
        self._line: AbstractContextManager[object] = threading.Lock() if self.dialect == "sqlite" else nullcontext()
        with self.engine.begin() as connection:
            self._lock(connection, lock)
            metadata.create_all(connection)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that waits for no writer."""
        with self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that no other writer's overlaps; committed when the block ends well."""
        with self._line, self.engine.begin() as connection:
            self._lock(connection, self._writer_lock)
            yield connection

    def database_now(self, connection: Connection) -> int:
        """Microseconds by the clock that every process on this database shares: PostgreSQL's, or this machine's."""
        if self._given_clock is not None or self.dialect != "postgresql":
            return self.now()
        return int(connection.execute(_CLOCK).scalar_one())

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def _lock(self, connection: Connection, key: int) -> None:
        if self.dialect == "postgresql":
            connection.execute(_ADVISORY_LOCK, {"key": key})


_ADVISORY_LOCK = text("SELECT pg_advisory_xact_lock(:key)")
_CLOCK = text("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint")

"""Tells who waits in this process that something in the run store has changed, whichever process changed it."""

import asyncio
import contextlib
import sqlite3
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from runtime.logs import get_logger

if TYPE_CHECKING:
    from psycopg import Connection

CHANNEL = "brain_runs"
"""What every transaction that tells of a run notifies on PostgreSQL."""

POLL_SECONDS = 0.05
LISTEN_SECONDS = 0.5
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 2.0

_log = get_logger(__name__)


class Doorbell:
    """Rings for everybody who waits when a transaction has been committed to the run store, by any process.

    A ring says that something has changed, not what, and may come for nothing. On SQLite `PRAGMA data_version` is read
    twenty times a second while somebody waits; on PostgreSQL a connection of its own listens. While that is away, or
    behind a pooler that does not pass notifications on, nothing rings: never wait longer than one may be late.

        rung = doorbell.rings          # before looking
        if not look():
            await doorbell.wait(1.0, rung)   # what changed since then is not missed

    Args:
        database_url: The run store's; nothing is opened before somebody waits.
    """

    def __init__(self, database_url: str) -> None:
        self._closing = threading.Event()
        self._source = _source(database_url, self._closing)
        self._wanted = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._next = asyncio.Event()
        self._rings = 0
        self._waiting = 0

    @property
    def rings(self) -> int:
        """How often it has rung; give it to `wait`, so that no ring between looking and waiting is missed."""
        return self._rings

    def ring(self) -> None:
        """Wake all who wait; only from the event loop."""
        self._rings += 1
        rung, self._next = self._next, asyncio.Event()
        rung.set()

    async def wait(self, timeout_seconds: float, since: int | None = None) -> bool:
        """Wait for the next ring, at most so long; whether it rang.

        Args:
            timeout_seconds: Longest wait.
            since: `rings` as it was before the caller looked; where it has rung since, nobody waits.
        """
        if since is not None and since != self._rings:
            return True
        self._listen()
        self._waiting += 1
        self._wanted.set()
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._next.wait()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._wanted.clear()
        return True

    def close(self) -> None:
        """Let go of the connection; who still waits is not woken."""
        self._closing.set()
        self._wanted.set()
        if self._thread is not None:
            self._thread.join(2 * LISTEN_SECONDS)

    def _listen(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._thread is None and not self._closing.is_set():
            self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        with contextlib.closing(self._source):
            while not self._closing.is_set():
                if not self._source.keeps:
                    self._wanted.wait()
                try:
                    changed = self._source.changed()
                    pause = FIRST_PAUSE_SECONDS
                except Exception as error:  # noqa: BLE001 - drivers have an error each; who waits looks by himself then
                    _log.warning(
                        "the run store's doorbell is away", error=type(error).__name__, reason=str(error)[:200]
                    )
                    self._source.close()
                    self._closing.wait(pause)
                    pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
                    continue
                if changed and not self._told():
                    return

    def _told(self) -> bool:
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self.ring)
        except RuntimeError:  # the loop has ended, and with it everybody who could wait
            return False
        return True


class _Source(Protocol):
    keeps: bool
    """Whether it is read while nobody waits, too."""

    def changed(self) -> bool:
        """Look, or wait a moment; whether something has changed since the last call, always true for the first."""
        ...

    def close(self) -> None:
        """Close the connection; the next look opens another."""
        ...


class _Sqlite:
    """The version that a connection sees moves with every commit of another: https://sqlite.org/pragma.html."""

    keeps = False

    def __init__(self, path: Path, closing: threading.Event) -> None:
        self._path = path
        self._closing = closing
        self._connection: sqlite3.Connection | None = None
        self._seen: int | None = None

    def changed(self) -> bool:
        if self._connection is None:
            self._connection = sqlite3.connect(f"{self._path.resolve().as_uri()}?mode=rw", uri=True)
        version = int(self._connection.execute("PRAGMA data_version").fetchone()[0])
        changed, self._seen = version != self._seen, version
        if not changed:
            self._closing.wait(POLL_SECONDS)
        return changed

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._seen = None


class _Postgres:
    """Notifications are read even while nobody waits: the server keeps those that a listener leaves lying."""

    keeps = True

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None

    def changed(self) -> bool:
        if self._connection is None:
            self._connection = self._opened()
            return True  # whatever happened while nobody listened
        return bool(list(self._connection.notifies(timeout=LISTEN_SECONDS, stop_after=1)))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def _opened(self) -> "Connection":
        from psycopg import connect

        connection = connect(
            self._url,
            autocommit=True,
            connect_timeout=5,
            application_name="doorbell",
            keepalives_idle=15,
            keepalives_interval=5,
            keepalives_count=3,
        )
        connection.execute(f"LISTEN {CHANNEL}")
        return connection


def _source(database_url: str, closing: threading.Event) -> _Source:
    scheme, _, rest = database_url.partition("://")
    if scheme.partition("+")[0] == "postgresql":
        return _Postgres(f"postgresql://{rest}")
    if scheme.partition("+")[0] == "sqlite":
        return _Sqlite(Path(rest.removeprefix("/").partition("?")[0]), closing)
    raise ValueError(f"a run store of kind {scheme!r} is not supported; use sqlite:///… or postgresql://…")

"""Keys in a SQLite file (write-ahead log, every commit synced)."""

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from brain.security.keys.port import ApiKey, KeyNotFoundError, KeyStoreError
from brain.security.keys.store import COLUMNS, CREATE_TABLE, from_row, to_row, to_text

BUSY_SECONDS = 5.0


class SqliteKeyStore:
    """One connection behind a lock; the command line may write beside a running gateway."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600, exist_ok=True)
            self._connection = sqlite3.connect(
                path, timeout=BUSY_SECONDS, check_same_thread=False, isolation_level=None
            )
        except (OSError, sqlite3.Error) as error:
            raise KeyStoreError(f"the key store {path} cannot be opened: {error}") from error
        with self._using() as connection:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute(CREATE_TABLE)

    def add(self, key: ApiKey, digest: str) -> None:
        """See `KeyStore.add`."""
        with self._using() as connection:
            connection.execute("INSERT INTO api_keys VALUES (?, ?, ?, ?, ?, ?, ?)", to_row(key, digest))

    def by_digest(self, digest: str) -> ApiKey | None:
        """See `KeyStore.by_digest`."""
        return self._one(f"SELECT {COLUMNS} FROM api_keys WHERE digest = ?", digest)  # noqa: S608 - fixed columns

    def by_id(self, key_id: str) -> ApiKey | None:
        """See `KeyStore.by_id`."""
        return self._one(f"SELECT {COLUMNS} FROM api_keys WHERE id = ?", key_id)  # noqa: S608 - fixed columns

    def all(self) -> Sequence[ApiKey]:
        """See `KeyStore.all`."""
        with self._using() as connection:
            rows = connection.execute(f"SELECT {COLUMNS} FROM api_keys ORDER BY created_at, id").fetchall()  # noqa: S608
        return [from_row(row) for row in rows]

    def revoke(self, key_id: str, at: datetime) -> ApiKey:
        """See `KeyStore.revoke`."""
        with self._using() as connection:
            connection.execute(
                "UPDATE api_keys SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL", (to_text(at), key_id)
            )
        key = self.by_id(key_id)
        if key is None:
            raise KeyNotFoundError(f"there is no key {key_id!r}; list them with: python -m brain keys list")
        return key

    def close(self) -> None:
        """See `KeyStore.close`."""
        with self._lock:
            self._connection.close()

    def _one(self, query: str, value: str) -> ApiKey | None:
        with self._using() as connection:
            row = connection.execute(query, (value,)).fetchone()
        return from_row(row) if row else None

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise KeyStoreError(f"the key store {self._path} does not answer: {error}") from error

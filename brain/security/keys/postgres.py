"""Keys in PostgreSQL, shared by every replica of the gateway."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from brain.security.keys.port import ApiKey, KeyNotFoundError, KeyStoreError
from brain.security.keys.store import COLUMNS, CREATE_TABLE, from_row, to_row, to_text

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS = 5
SCHEMA_LOCK = 7_204_113
"""Advisory lock under which replicas that start together make the table one after another."""


class PostgresKeyStore:
    """One connection behind a lock, opened again after it breaks."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._connection: psycopg.Connection[tuple[str | None, ...]] | None = None
        with self._using() as connection, connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (SCHEMA_LOCK,))
            connection.execute(CREATE_TABLE)

    def add(self, key: ApiKey, digest: str) -> None:
        """See `KeyStore.add`."""
        with self._using() as connection:
            connection.execute("INSERT INTO api_keys VALUES (%s, %s, %s, %s, %s, %s, %s)", to_row(key, digest))

    def by_digest(self, digest: str) -> ApiKey | None:
        """See `KeyStore.by_digest`."""
        return self._one(f"SELECT {COLUMNS} FROM api_keys WHERE digest = %s", digest)  # noqa: S608 - fixed columns

    def by_id(self, key_id: str) -> ApiKey | None:
        """See `KeyStore.by_id`."""
        return self._one(f"SELECT {COLUMNS} FROM api_keys WHERE id = %s", key_id)  # noqa: S608 - fixed columns

    def all(self) -> Sequence[ApiKey]:
        """See `KeyStore.all`."""
        with self._using() as connection:
            rows = connection.execute(f"SELECT {COLUMNS} FROM api_keys ORDER BY created_at, id").fetchall()  # noqa: S608
        return [from_row(row) for row in rows]

    def revoke(self, key_id: str, at: datetime) -> ApiKey:
        """See `KeyStore.revoke`."""
        with self._using() as connection:
            connection.execute(
                "UPDATE api_keys SET revoked_at = %s WHERE id = %s AND revoked_at IS NULL", (to_text(at), key_id)
            )
        key = self.by_id(key_id)
        if key is None:
            raise KeyNotFoundError(f"there is no key {key_id!r}; list them with: python -m brain keys list")
        return key

    def close(self) -> None:
        """See `KeyStore.close`."""
        with self._lock:
            self._drop()

    def _one(self, query: str, value: str) -> ApiKey | None:
        with self._using() as connection:
            row = connection.execute(query, (value,)).fetchone()
        return from_row(row) if row else None

    @contextmanager
    def _using(self) -> "Iterator[psycopg.Connection[tuple[str | None, ...]]]":
        import psycopg

        with self._lock:
            try:
                if self._connection is None:
                    self._connection = psycopg.connect(self._url, autocommit=True, connect_timeout=CONNECT_SECONDS)
                yield self._connection
            except psycopg.Error as error:
                if self._connection is not None and self._connection.broken:
                    self._drop()
                # The driver's text may name the host and user; it goes to the log by way of the cause, not to callers.
                raise KeyStoreError("the key store on PostgreSQL does not answer") from error

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

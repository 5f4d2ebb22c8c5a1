"""Which adapter keeps the keys, and what both have in common."""

from collections.abc import Sequence
from datetime import UTC, datetime

from brain.security.keys.port import ApiKey, KeyStore
from runtime.settings import sqlite_path

COLUMNS = "id, name, scopes, created_at, expires_at, revoked_at"
CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS api_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    digest TEXT NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT,
    revoked_at TEXT
)
"""
"""Times are RFC 3339 text in UTC, so that both databases sort and read them alike."""


def open_key_store(url: str) -> KeyStore:
    """Open the store at `sqlite:///PATH` or `postgresql://…`, making its table where there is none.

    Raises:
        KeyStoreError: The database cannot be opened.
    """
    path = sqlite_path(url)
    if path is not None:
        from brain.security.keys.sqlite import SqliteKeyStore

        return SqliteKeyStore(path)
    from brain.security.keys.postgres import PostgresKeyStore

    return PostgresKeyStore(url.replace("postgresql+psycopg://", "postgresql://", 1))


def to_row(key: ApiKey, digest: str) -> tuple[str | None, ...]:
    """A key in the order `id, name, digest, scopes, created_at, expires_at, revoked_at`."""
    return (
        key.id,
        key.name,
        digest,
        " ".join(sorted(key.scopes)),
        to_text(key.created_at),
        to_text(key.expires_at),
        to_text(key.revoked_at),
    )


def from_row(row: Sequence[str | None]) -> ApiKey:
    """A key from a row in the order of `COLUMNS`."""
    key_id, name, scopes, created_at, expires_at, revoked_at = row
    return ApiKey(
        id=key_id or "",
        name=name or "",
        scopes=frozenset((scopes or "").split()),
        created_at=_moment(created_at) or datetime.fromtimestamp(0, UTC),
        expires_at=_moment(expires_at),
        revoked_at=_moment(revoked_at),
    )


def to_text(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC, with microseconds so that text sorts as time does."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="microseconds")


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)

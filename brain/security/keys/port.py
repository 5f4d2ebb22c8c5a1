"""The key-store port."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

SCOPES: Mapping[str, str] = {
    "predict": "ask predictors",
    "status": "read /status and /metrics",
    "admin": "everything, and what belongs to others",
}
"""Every scope and what it allows; `admin` includes the others."""


class KeyStoreError(RuntimeError):
    """The store cannot be read or written now."""


class KeyNotFoundError(LookupError):
    """No key has this id."""


@dataclass(frozen=True)
class ApiKey:
    """A key as it is kept: never the key itself."""

    id: str
    name: str
    scopes: frozenset[str]
    created_at: datetime
    expires_at: datetime | None = None
    revoked_at: datetime | None = None

    def is_active(self, now: datetime) -> bool:
        """Whether it opens anything at `now`."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)

    def allows(self, scope: str) -> bool:
        """Whether its scopes include this one."""
        return scope in self.scopes or "admin" in self.scopes


class KeyStore(Protocol):
    """Keys by id and by hash; each call is one durable transaction and may come from any thread.

    Every method raises `KeyStoreError` where the database cannot answer.
    """

    def add(self, key: ApiKey, digest: str) -> None:
        """Keep a new key under the hash of its plain text."""
        ...

    def by_digest(self, digest: str) -> ApiKey | None:
        """The key with this hash, active or not."""
        ...

    def by_id(self, key_id: str) -> ApiKey | None:
        """The key with this id, active or not."""
        ...

    def all(self) -> Sequence[ApiKey]:
        """Every key, oldest first."""
        ...

    def revoke(self, key_id: str, at: datetime) -> ApiKey:
        """End a key; one already revoked keeps its first time. Raise `KeyNotFoundError`."""
        ...

    def close(self) -> None:
        """Let go of the database."""
        ...

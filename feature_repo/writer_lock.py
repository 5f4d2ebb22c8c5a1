"""One writer of the feature store at a time, so that comparing event times and writing are one act."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from feature_repo.names import PROJECT
from feature_repo.store import state_folder
from runtime.process_lock import LockHeldError, process_lock

if TYPE_CHECKING:
    from feast import FeatureStore

_POLL_SECONDS = 0.05


class WriterBusyError(RuntimeError):
    """Another writer held the feature store for longer than this one would wait."""


@contextmanager
def writing(store: "FeatureStore", what: str, timeout_seconds: float = 300.0) -> Iterator[None]:
    """Hold the store's writer lock while the block runs; the lock ends with its holder, also by kill -9.

    A registry on PostgreSQL gives the lock to writers of every machine; otherwise it is a file in the state folder.

    Args:
        store: An open store.
        what: What the holder does, for the message that others get.
        timeout_seconds: How long to wait for another writer.

    Raises:
        WriterBusyError: Another writer did not finish in time.
    """
    url = str(store.config.registry.path)
    lock = _advisory_lock(url, timeout_seconds) if url.startswith("postgresql") else _file_lock(what, timeout_seconds)
    with lock:
        yield


@contextmanager
def _file_lock(what: str, timeout_seconds: float) -> Iterator[None]:
    path = state_folder() / "writer.lock"
    deadline = time.monotonic() + timeout_seconds
    while True:
        try:
            lock = process_lock(path, what)
            lock.__enter__()
            break
        except LockHeldError as error:
            if time.monotonic() > deadline:
                raise WriterBusyError(f"waited {timeout_seconds:g} s to write features: {error}") from error
            time.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        lock.__exit__(None, None, None)


@contextmanager
def _advisory_lock(url: str, timeout_seconds: float) -> Iterator[None]:
    """A session lock: PostgreSQL frees it when the connection ends."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.exc import OperationalError
    from sqlalchemy.pool import NullPool

    key = int.from_bytes(hashlib.sha256(f"{PROJECT} features".encode()).digest()[:8], "big", signed=True)
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"SET lock_timeout = {int(timeout_seconds * 1000)}"))
        try:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": key})
        except OperationalError as error:
            if "lock timeout" not in str(error):
                raise
            raise WriterBusyError(f"waited {timeout_seconds:g} s for another writer of the feature store") from error
        yield

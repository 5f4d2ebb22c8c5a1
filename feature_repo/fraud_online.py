"""The online states of card customers and terminals: read by the predictor, written by the feature writer.

Importing this module is light; a `FeastCardStates` imports Feast when it is made.
"""

import sqlite3
import threading
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from feature_repo import names
from feature_repo.fraud import card_feature_digest

if TYPE_CHECKING:
    from feast import FeatureStore

StateRow = tuple[bytes, int]
"""An encoded state, and the newest log sequence that it holds (-1: none)."""


class CardStatesMissingError(LookupError):
    """The store has no states of this digest: they were never materialised or followed."""

    def __init__(self, feature_digest: str) -> None:
        super().__init__(feature_digest)
        self.feature_digest = feature_digest

    def __str__(self) -> str:
        return (
            f"the feature store has no service {names.card_state_service(self.feature_digest)!r}; run the pipeline of "
            "the code that trained the model (python -m pipelines run fraud-detection), or its feature writer "
            "(python -m components.fraud.feature_writer)"
        )


class StateStoreUnavailableError(RuntimeError):
    """The online store did not answer; the cause is chained."""


class CardStateReader(Protocol):
    """Reads states; what a state lacks of the log's newest events travels with the request."""

    def read(self, customers: Sequence[str], terminals: Sequence[str]) -> tuple[list[bytes | None], list[bytes | None]]:
        """Encoded states of customers and of terminals, each in the order asked; None for one that is not there.

        Raises:
            StateStoreUnavailableError: The store did not answer.
        """
        ...


class CardStates(CardStateReader, Protocol):
    """Reads and writes states; there is one writer at a time, who holds `feature_repo.writer_lock`."""

    def write(self, customers: Mapping[str, StateRow], terminals: Mapping[str, StateRow]) -> None:
        """Replace states, one batch for customers and one for terminals.

        Killed between or within the two, the store holds old and new states, each whole.

        Raises:
            StateStoreUnavailableError: The store did not answer.
        """
        ...


class FeastCardStates:
    """The states of one digest of feature definitions in Feast's online store; safe to share by threads."""

    def __init__(self, feature_digest: str | None = None, profile: str | None = None) -> None:
        """Open the store and find the digest's service.

        Args:
            feature_digest: None means this code's.
            profile: Feature store profile; None follows the environment.

        Raises:
            CardStatesMissingError: The store has none; says what to run.
            FeatureStoreConfigError: The profile cannot be opened.
            StateStoreUnavailableError: The registry did not answer.
        """
        from feast.errors import FeatureServiceNotFoundException
        from redis.exceptions import RedisError
        from sqlalchemy.exc import SQLAlchemyError

        from feature_repo.store import open_store

        digest = feature_digest or card_feature_digest()
        self._views = (
            (names.customer_state_view(digest), names.CUSTOMER_KEY),
            (names.terminal_state_view(digest), names.TERMINAL_KEY),
        )
        self._unavailable: tuple[type[Exception], ...] = (sqlite3.Error, RedisError, OSError)
        self._lock = threading.Lock()
        try:
            self._store = open_store(profile, online_only=True)
            self._store.get_feature_service(names.card_state_service(digest))
        except FeatureServiceNotFoundException as error:
            raise CardStatesMissingError(digest) from error
        except (SQLAlchemyError, OSError) as error:
            raise StateStoreUnavailableError("the feature store's registry did not answer; is it up?") from error

    @property
    def store(self) -> "FeatureStore":
        """The open store, for whoever takes its writer lock."""
        return self._store

    def let_readers_pass(self) -> None:
        """Make readers wait for no writer where the online store is an SQLite file; the file keeps it; idempotent.

        Raises:
            StateStoreUnavailableError: The file cannot be changed now.
        """
        online = self._store.config.online_store
        if online.type != "sqlite":
            return
        try:
            with closing(sqlite3.connect(online.path)) as connection:
                connection.execute("PRAGMA journal_mode = WAL")
        except self._unavailable as error:
            raise StateStoreUnavailableError("the online feature store did not answer; is it up?") from error

    def read(self, customers: Sequence[str], terminals: Sequence[str]) -> tuple[list[bytes | None], list[bytes | None]]:
        """Encoded states in the order asked; see `CardStateReader`."""
        (customer_view, customer_key), (terminal_view, terminal_key) = self._views
        return (
            self._read(customer_view, customer_key, customers),
            self._read(terminal_view, terminal_key, terminals),
        )

    def write(self, customers: Mapping[str, StateRow], terminals: Mapping[str, StateRow]) -> None:
        """Replace states; see `CardStates`."""
        for (view, key), rows in zip(self._views, (customers, terminals), strict=True):
            if rows:
                self._write(view, key, rows)

    def _read(self, view: str, key: str, ids: Sequence[str]) -> list[bytes | None]:
        if not ids:
            return []
        different = list(dict.fromkeys(ids))
        try:
            with self._lock:
                answer = self._store.get_online_features(
                    features=[f"{view}:state"], entity_rows=[{key: one} for one in different]
                ).to_dict()
        except self._unavailable as error:
            raise StateStoreUnavailableError("the online feature store did not answer; is it up?") from error
        found = dict(zip(answer[key], answer["state"], strict=True))
        return [found[one] for one in ids]

    def _write(self, view: str, key: str, rows: Mapping[str, StateRow]) -> None:
        import pandas as pd

        table = pd.DataFrame(
            {
                key: list(rows),
                names.EVENT_TIME: pd.Timestamp(datetime.now(UTC)).as_unit("us"),
                "state": [state for state, _ in rows.values()],
                "last_sequence": [sequence for _, sequence in rows.values()],
            }
        )
        try:
            with self._lock:
                self._store.write_to_online_store(view, table)
        except self._unavailable as error:
            raise StateStoreUnavailableError("the online feature store took no states; is it up?") from error

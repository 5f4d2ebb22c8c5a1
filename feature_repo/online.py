"""The online look-up: each series' latest window, by series id.

Importing this module is light (numpy); a `FeastWindowReader` imports Feast when it is made.
"""

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import numpy.typing as npt

from feature_repo.crypto import BAR_SECONDS
from feature_repo.names import SERIES_KEY, serving_service

CANDLE_FIELDS = ("epoch_seconds", "open", "high", "low", "close", "volume")
WINDOW_FIELDS = ("window", "candles", "last_close")


class FeatureServiceMissingError(LookupError):
    """The store has no feature service of this digest: its windows were never materialised."""

    def __init__(self, feature_digest: str) -> None:
        super().__init__(feature_digest)
        self.feature_digest = feature_digest

    def __str__(self) -> str:
        return (
            f"the feature store has no service {serving_service(self.feature_digest)!r}; run the pipeline of the code "
            "that trained the model: python -m pipelines run crypto-refresh"
        )


class WindowStoreUnavailableError(RuntimeError):
    """The online store did not answer; the cause is chained."""


class CorruptWindowError(ValueError):
    """What the online store holds is no window; says what was expected."""


@dataclass(frozen=True, eq=False)
class Window:
    """The last L bars of one series.

    Attributes:
        unique_id: The series.
        ds: Open time of the last bar, UTC.
        window: Features, float32 `[L, F]`, oldest first; read-only.
        candles: float64 `[L, 6]` in `CANDLE_FIELDS` order, the same bars; read-only.
        last_close: Close of the last bar.
    """

    unique_id: str
    ds: datetime
    window: npt.NDArray[np.float32]
    candles: npt.NDArray[np.float64]
    last_close: float

    @property
    def as_of(self) -> datetime:
        """Event time: the close of the last bar, from when the window is known. Freshness is judged by it."""
        return self.ds + timedelta(seconds=BAR_SECONDS)


class WindowReader(Protocol):
    """Reads windows; whether one is fresh enough is the caller's to judge, by its `as_of`."""

    def read(self, unique_ids: Sequence[str]) -> list[Window | None]:
        """Read the latest window of each series, in the order asked; None for one that is not there.

        Raises:
            WindowStoreUnavailableError: The store did not answer.
            CorruptWindowError: The store answered something else than a window.
        """
        ...


def decode_window(unique_id: str, window: bytes, candles: bytes, last_close: float) -> Window:
    """Read a window from the bytes that the online store holds; the number of features follows from their length.

    Raises:
        CorruptWindowError: The lengths do not belong together.
    """
    bars, rest = divmod(len(candles), 8 * len(CANDLE_FIELDS))
    if bars == 0 or rest or not window or len(window) % (4 * bars):
        raise CorruptWindowError(
            f"{unique_id}: expected candles of L x {len(CANDLE_FIELDS)} float64 and a window of L x F float32, "
            f"received {len(candles)} and {len(window)} bytes"
        )
    rows = np.frombuffer(candles, dtype="<f8").reshape(bars, len(CANDLE_FIELDS))
    return Window(
        unique_id=unique_id,
        # Taken from the bars themselves: SQLite keeps event times in the machine's local time.
        ds=datetime.fromtimestamp(float(rows[-1, 0]), tz=UTC),
        window=np.frombuffer(window, dtype="<f4").reshape(bars, -1),
        candles=rows,
        last_close=last_close,
    )


class FeastWindowReader:
    """Reads the windows of one digest of feature definitions from Feast's online store; safe to share by threads."""

    def __init__(self, feature_digest: str, profile: str | None = None) -> None:
        """Open the store and find the digest's service.

        Raises:
            FeatureServiceMissingError: The store has none; says what to run.
            FeatureStoreConfigError: The profile cannot be opened.
        """
        from feast.errors import FeatureServiceNotFoundException
        from redis.exceptions import RedisError

        from feature_repo.store import open_store

        self._unavailable: tuple[type[Exception], ...] = (sqlite3.Error, RedisError, OSError)
        self._lock = threading.Lock()
        self._store = open_store(profile, online_only=True)
        try:
            self._service = self._store.get_feature_service(serving_service(feature_digest))
        except FeatureServiceNotFoundException as error:
            raise FeatureServiceMissingError(feature_digest) from error

    def read(self, unique_ids: Sequence[str]) -> list[Window | None]:
        """Read the latest window of each series, in the order asked; see `WindowReader`."""
        if not unique_ids:
            return []
        entities = [{SERIES_KEY: unique_id} for unique_id in unique_ids]
        try:
            with self._lock:
                answer = self._store.get_online_features(features=self._service, entity_rows=entities).to_dict()
        except self._unavailable as error:
            raise WindowStoreUnavailableError("the online feature store did not answer; is it up?") from error
        found = zip(unique_ids, *(answer[name] for name in WINDOW_FIELDS), strict=True)
        return [
            None if window is None or candles is None else decode_window(unique_id, window, candles, last_close)
            for unique_id, window, candles, last_close in found
        ]

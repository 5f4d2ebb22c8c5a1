"""What an answer says of a series beside its forecast, derived once per window and kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from components.crypto.indicators import INDICATOR_NAMES, price_indicators
from feature_repo.crypto import FEATURE_NAMES, WINDOW_BARS
from feature_repo.online import CANDLE_FIELDS, Window
from runtime.bundle import Bundle
from serving.errors import InvalidValueError, UnavailableError
from serving.session import ModelRejectedError
from serving.tensors import Tensor

STATISTICS_FILE = "input_statistics.json"

_NAMES = Tensor.strings("indicator_names", INDICATOR_NAMES, shared=True)


@dataclass(frozen=True, slots=True)
class SeriesRow:
    """One series ready to be answered for.

    `window` is FP32 `(L, F)`, `candles` FP64 `(WINDOW_BARS, 6)`, `indicators` FP64 `(WINDOW_BARS, K)`, each oldest
    first; `as_of` is when the newest bar closed.
    """

    window: NDArray[np.float32]
    as_of: str
    last_close: float
    input_distance: float
    unusual_features: str
    candles: NDArray[np.float64]
    indicators: NDArray[np.float64]


class SeriesRows:
    """Derives rows from windows for one model version; raise ModelRejectedError if its statistics do not fit."""

    def __init__(self, bundle: Bundle, window_bars: int) -> None:
        self._bars = window_bars
        self._derived: dict[str, tuple[Window, SeriesRow]] = {}
        statistics = _statistics(bundle)
        self._mean, self._low, self._high = statistics["mean"], statistics["p001"], statistics["p999"]
        # A feature that never moved in training has no spread: whatever moves it then is far away, but finitely so.
        self._std = np.maximum(statistics["std"], 1e-6 * (1 + np.abs(self._mean)))

    def row(self, unique_id: str, window: Window) -> SeriesRow:
        """The row of a series; derived again only when its window changed.

        Raises:
            UnavailableError: The stored window cannot be used.
        """
        kept = self._derived.get(unique_id)
        if kept is None or kept[0] is not window:
            kept = (window, self._derive(unique_id, window))
            self._derived[unique_id] = kept
        return kept[1]

    def _derive(self, unique_id: str, window: Window) -> SeriesRow:
        expected = (WINDOW_BARS, len(FEATURE_NAMES))
        if window.window.shape != expected or not np.isfinite(window.window).all():
            raise UnavailableError(
                f"the stored window of {unique_id} is unusable: expected finite values of shape {expected}, "
                f"found shape {window.window.shape}; materialise the features again",
                retry_after_seconds=30,
            )
        last = window.window[-1].astype(np.float64)
        outside = np.flatnonzero((last < self._low) | (last > self._high))
        return SeriesRow(
            window=np.ascontiguousarray(window.window[-self._bars :], np.float32),
            as_of=rfc3339(window.as_of),
            last_close=float(window.last_close),
            input_distance=float(np.abs((last - self._mean) / self._std).max()),
            unusual_features=json.dumps([FEATURE_NAMES[index] for index in outside]),
            candles=np.ascontiguousarray(window.candles, np.float64),
            indicators=price_indicators(window.window, window.candles[:, CANDLE_FIELDS.index("close")]),
        )


def checked_history(history_bars: object) -> int:
    """`parameters.history_bars` as a count of bars, 0 where it is absent; raise InvalidValueError."""
    if history_bars is None:
        return 0
    if type(history_bars) is not int or not 0 <= history_bars <= WINDOW_BARS:
        raise InvalidValueError(f"history_bars is {history_bars!r}; expected a whole number from 0 to {WINDOW_BARS}")
    return history_bars


def series_tensors(rows: Sequence[SeriesRow], history_bars: int) -> list[Tensor]:
    """The tensors that stand beside the quantiles when a request names symbols."""
    tensors = [
        Tensor.strings("as_of", [row.as_of for row in rows]),
        Tensor.of("last_close", np.array([row.last_close for row in rows])),
        _NAMES,
        Tensor.of("indicators", np.array([row.indicators[-1] for row in rows])),
        Tensor.of("input_distance", np.array([row.input_distance for row in rows], np.float32)),
        Tensor.strings("unusual_features", [row.unusual_features for row in rows], json=True),
    ]
    if history_bars:
        tensors += [
            Tensor.of("candles", np.array([row.candles[-history_bars:] for row in rows])),
            Tensor.of("indicator_history", np.array([row.indicators[-history_bars:] for row in rows])),
        ]
    return tensors


def typical_window(bundle: Bundle, window_bars: int) -> NDArray[np.float32]:
    """A window FP32 `(window_bars, F)` that holds every feature's training mean in every bar."""
    mean = _statistics(bundle)["mean"].astype(np.float32)
    return np.repeat(mean[None], window_bars, axis=0)


def rfc3339(moment: datetime) -> str:
    """`2024-01-31T13:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _statistics(bundle: Bundle) -> dict[str, NDArray[np.float64]]:
    try:
        content: Mapping[str, Mapping[str, float]] = json.loads((bundle.path / STATISTICS_FILE).read_bytes())
        return {
            key: np.array([content[name][key] for name in FEATURE_NAMES], np.float64)
            for key in ("mean", "std", "p001", "p999")
        }
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelRejectedError(
            f"{STATISTICS_FILE} does not hold mean, std, p001 and p999 of every feature: {error!r}"
        ) from error

"""Indicators in price units, read back from the relative features that a model sees; numpy only.

The predictor answers them without the library that computed them: each is the inverse of its feature's formula in
`feature_repo.crypto`.
"""

import numpy as np

from feature_repo.crypto import FEATURE_NAMES

INDICATOR_NAMES = (
    "rsi_14",
    "macd",
    "macd_signal",
    "macd_histogram",
    "sma_24",
    "sma_168",
    "ema_12",
    "ema_26",
    "bollinger_upper_20",
    "bollinger_lower_20",
    "atr_14",
    "realised_volatility_24",
)
"""RSI is 0 to 100; realised volatility is the root mean squared hourly log return; the others are in price units."""

_INDEX = {name: position for position, name in enumerate(FEATURE_NAMES)}

FloatArray = np.ndarray[tuple[int, ...], np.dtype[np.float64]]


class IndicatorShapeError(ValueError):
    """Window and closes do not belong together; says both sides."""


def price_indicators(
    window: np.ndarray[tuple[int, ...], np.dtype[np.float32]], closes: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
) -> FloatArray:
    """Turn feature rows into indicators in price units.

    Args:
        window: Features `[..., L, F]` in `FEATURE_NAMES` order.
        closes: Close of the same bars `[..., L]`.

    Returns:
        `[..., L, K]` float64 in `INDICATOR_NAMES` order.

    Raises:
        IndicatorShapeError: The shapes do not match.
    """
    expected = (*closes.shape, len(FEATURE_NAMES))
    if window.shape != expected:
        raise IndicatorShapeError(
            f"expected a window of shape {expected} for closes {closes.shape}, got {window.shape}"
        )
    values = window.astype(np.float64)
    close = closes.astype(np.float64)

    def feature(name: str) -> FloatArray:
        column: FloatArray = values[..., _INDEX[name]]
        return column

    half_width = feature("bollinger_width_20") / 2
    middle = close / (1 + feature("bollinger_position_20") * half_width)
    columns = {
        "rsi_14": feature("rsi_14") * 100,
        "bollinger_upper_20": middle * (1 + half_width),
        "bollinger_lower_20": middle * (1 - half_width),
        "realised_volatility_24": np.exp(feature("log_realised_24")),
    }
    columns |= {name: feature(name) * close for name in ("macd", "macd_signal", "macd_histogram", "atr_14")}
    columns |= {name: close / np.exp(feature(name)) for name in ("sma_24", "sma_168", "ema_12", "ema_26")}
    return np.stack([columns[name] for name in INDICATOR_NAMES], axis=-1)

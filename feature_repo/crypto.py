"""What the crypto features are: names, meaning and parameters; `components.crypto.features` computes them.

All features are causal: the value of a bar uses that bar and earlier ones only. Indicators on prices are relative to
the close, so that a model can be shared by coins of any price.
"""

import hashlib
import json
from dataclasses import asdict, dataclass

QUANTILE_LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""Levels of the predictive quantiles, ascending."""

HORIZON_BARS = 24
"""Longest horizon, in bars."""

WINDOW_BARS = 168
"""Bars of features that the online store keeps for each series; a model reads the last L of them."""

WARM_UP_BARS = 720
"""Bars of history before the first feature row."""

HALF_LIVES_BARS = (1, 3, 6, 12, 24, 48, 96, 168, 336, 720)
RETURN_SPANS_BARS = (1, 4, 24, 168)
REALISED_SPANS_BARS = (24, 168, 720)

DEFINITION_VERSION = 1
"""Raised when the computation of a feature changes under an unchanged name."""


@dataclass(frozen=True)
class Feature:
    """One feature column, float32."""

    name: str
    description: str


def _features() -> tuple[Feature, ...]:
    rows = [(f"log_return_{n}", f"log(close / close {n} bars ago)") for n in RETURN_SPANS_BARS]
    rows += [
        (f"log_volatility_h{n}", f"log root of the exponentially weighted mean squared return, half-life {n} bars")
        for n in HALF_LIVES_BARS
    ]
    rows += [
        (f"log_range_h{n}", f"log root of the exponentially weighted mean Parkinson variance, half-life {n} bars")
        for n in HALF_LIVES_BARS
    ]
    rows += [(f"log_realised_{n}", f"log root mean squared return of the last {n} bars") for n in REALISED_SPANS_BARS]
    rows += [
        ("rsi_14", "relative strength index over 14 bars, 0 to 1"),
        ("macd", "MACD (12, 26) over close"),
        ("macd_signal", "MACD signal line (9) over close"),
        ("macd_histogram", "MACD minus its signal, over close"),
        ("sma_24", "log(close / simple moving average of 24 bars)"),
        ("sma_168", "log(close / simple moving average of 168 bars)"),
        ("ema_12", "log(close / exponential moving average of 12 bars)"),
        ("ema_26", "log(close / exponential moving average of 26 bars)"),
        ("bollinger_position_20", "(close - middle band) / (upper - middle), 20 bars, 2 deviations"),
        ("bollinger_width_20", "(upper - lower band) / middle band, 20 bars, 2 deviations"),
        ("atr_14", "average true range over 14 bars, over close"),
        ("volume_z_168", "z-score of log(1 + volume) over 168 bars"),
        ("market_log_return_1", "mean over the universe's coins of log_return_1 in the same bar"),
        ("market_log_volatility_24", "mean over the universe's coins of log_volatility_h24 in the same bar"),
        (
            "same_hour_activity_21d",
            "log mean |return| at the next bar's hour of day over 21 days, minus that of all hours",
        ),
        ("hour", "hour of day of the bar's close, UTC, 0 to 23"),
        ("weekday", "day of week of the bar's close, UTC, Monday 0"),
    ]
    return tuple(Feature(name, description) for name, description in rows)


FEATURES = _features()
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)


def feature_digest() -> str:
    """Twelve hex digits that change whenever a feature's name, meaning, parameter or order does."""
    content = {"version": DEFINITION_VERSION, "features": [asdict(f) for f in FEATURES], "window_bars": WINDOW_BARS}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

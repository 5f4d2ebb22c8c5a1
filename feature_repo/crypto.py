"""What the crypto features are: names, meaning and parameters; `components.crypto.features` computes them.

All features are causal: the value of a bar uses that bar and earlier ones only. Indicators on prices are relative to
the close, so that a model can be shared by coins of any price. Every value is finite: logarithms are floored and
ratios without a denominator have a stated value (`docs/architecture/features.md`).
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

BAR_SECONDS = 3600
"""Length of one bar; `ds` is a bar's open time, and what it says is known `BAR_SECONDS` later."""

DEFINITION_VERSION = 1
"""Raised when the computation of a feature changes under an unchanged name."""


@dataclass(frozen=True)
class Parameters:
    """Every number that the features depend on; part of the digest. Spans are in bars."""

    warm_up: int = 720
    """Bars of history, unbroken, before a series' first feature row."""

    max_filled_gap: int = 24
    """Longest hole bridged with flat bars of no volume; a longer one starts the series anew, warm-up included."""

    half_lives: tuple[int, ...] = (1, 3, 6, 12, 24, 48, 96, 168, 336, 720)
    return_spans: tuple[int, ...] = (1, 4, 24, 168)
    realised_spans: tuple[int, ...] = (24, 168, 720)
    rsi: int = 14
    macd_fast: int = 12
    macd_slow: int = 26
    macd_signal: int = 9
    sma: tuple[int, ...] = (24, 168)
    ema: tuple[int, ...] = (12, 26)
    bollinger: int = 20
    bollinger_deviations: float = 2.0
    atr: int = 14
    volume_z: int = 168
    market_half_life: int = 24
    activity_days: int = 21

    volatility_floor: float = 1e-5
    """Least hourly volatility, range or mean absolute return whose logarithm is taken."""

    deviation_floor: float = 1e-6
    """A Bollinger width or a deviation of log volume below this counts as none: position and z-score are then 0."""


PARAMETERS = Parameters()
WARM_UP_BARS = PARAMETERS.warm_up
HALF_LIVES_BARS = PARAMETERS.half_lives
RETURN_SPANS_BARS = PARAMETERS.return_spans
REALISED_SPANS_BARS = PARAMETERS.realised_spans


@dataclass(frozen=True)
class Feature:
    """One feature column, float32."""

    name: str
    description: str


def _volatility(p: Parameters) -> list[tuple[str, str]]:
    rows = [(f"log_return_{n}", f"log(close / close {n} bars ago)") for n in p.return_spans]
    rows += [
        (f"log_volatility_h{n}", f"log root of the exponentially weighted mean squared return, half-life {n} bars")
        for n in p.half_lives
    ]
    rows += [
        (f"log_range_h{n}", f"log root of the exponentially weighted mean Parkinson variance, half-life {n} bars")
        for n in p.half_lives
    ]
    rows += [(f"log_realised_{n}", f"log root mean squared return of the last {n} bars") for n in p.realised_spans]
    return rows


def _indicators(p: Parameters) -> list[tuple[str, str]]:
    rows = [
        (f"rsi_{p.rsi}", f"relative strength index over {p.rsi} bars, 0 to 1; 0.5 where the price never moved"),
        ("macd", f"MACD ({p.macd_fast}, {p.macd_slow}) over close"),
        ("macd_signal", f"MACD signal line ({p.macd_signal}) over close"),
        ("macd_histogram", "MACD minus its signal, over close"),
    ]
    rows += [(f"sma_{n}", f"log(close / simple moving average of {n} bars)") for n in p.sma]
    rows += [(f"ema_{n}", f"log(close / exponential moving average of {n} bars)") for n in p.ema]
    bands = f"{p.bollinger} bars, {p.bollinger_deviations:g} deviations"
    rows += [
        (f"bollinger_position_{p.bollinger}", f"(close - middle band) / (upper - middle), {bands}"),
        (f"bollinger_width_{p.bollinger}", f"(upper - lower band) / middle band, {bands}"),
        (f"atr_{p.atr}", f"average true range over {p.atr} bars, over close"),
        (f"volume_z_{p.volume_z}", f"z-score of log(1 + volume) over {p.volume_z} bars"),
    ]
    return rows


def _context(p: Parameters) -> list[tuple[str, str]]:
    market = f"log_volatility_h{p.market_half_life}"
    return [
        ("market_log_return_1", "mean over the universe's coins of log_return_1 in the same bar"),
        (
            f"market_log_volatility_{p.market_half_life}",
            f"mean over the universe's coins of {market} in the same bar",
        ),
        (
            f"same_hour_activity_{p.activity_days}d",
            f"log mean |return| at the next bar's hour of day over {p.activity_days} days, minus that of all hours",
        ),
        ("hour", "hour of day of the bar's close, UTC, 0 to 23"),
        ("weekday", "day of week of the bar's close, UTC, Monday 0"),
    ]


FEATURES = tuple(
    Feature(name, description)
    for name, description in (*_volatility(PARAMETERS), *_indicators(PARAMETERS), *_context(PARAMETERS))
)
FEATURE_NAMES = tuple(feature.name for feature in FEATURES)


def feature_digest() -> str:
    """Twelve hex digits that change whenever a feature's name, meaning, parameter or order does."""
    content = {
        "version": DEFINITION_VERSION,
        "features": [asdict(f) for f in FEATURES],
        "parameters": asdict(PARAMETERS),
        "window_bars": WINDOW_BARS,
        "bar_seconds": BAR_SECONDS,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

"""The features of one unbroken stretch of one series; formulas and their parameters stand in `feature_repo.crypto`.

Every recurrence runs forward from the start of the stretch, so a value never depends on a later bar, and recomputing a
longer history repeats the same operations on the same numbers.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import talib

from feature_repo.crypto import BAR_SECONDS, PARAMETERS

Column = np.ndarray[tuple[int], np.dtype[np.float64]]

_PARKINSON = 1.0 / (4.0 * np.log(2.0))
_DAY_BARS = 86_400 // BAR_SECONDS
_SCALE_EXPONENT = 20


def stretch_columns(stretch: pd.DataFrame) -> dict[str, Column]:
    """Every feature but the market's, one value a bar; what lies before the warm-up may be NaN.

    Args:
        stretch: Regular candles of one segment of one series.
    """
    values = {name: stretch[name].to_numpy(dtype="float64") for name in ("open", "high", "low", "close", "volume")}
    returns = _lagged_log_return(values["close"], 1)
    columns = {f"log_return_{n}": _lagged_log_return(values["close"], n) for n in PARAMETERS.return_spans}
    columns |= _volatility(returns, values["high"], values["low"])
    columns |= _momentum(values["close"])
    columns |= _bands(values["close"])
    columns[f"atr_{PARAMETERS.atr}"] = _atr(values)
    columns[f"volume_z_{PARAMETERS.volume_z}"] = _z_score(np.log1p(values["volume"]), PARAMETERS.volume_z)
    columns[f"same_hour_activity_{PARAMETERS.activity_days}d"] = _same_hour_activity(returns)
    columns |= _calendar(stretch["ds"])
    return columns


def _lagged_log_return(close: Column, bars: int) -> Column:
    out = np.full(close.shape, np.nan)
    out[bars:] = np.log(close[bars:] / close[:-bars])
    return out


def _log_root(variance: Column) -> Column:
    floored: Column = 0.5 * np.log(np.maximum(variance, PARAMETERS.volatility_floor**2))
    return floored


def _volatility(returns: Column, high: Column, low: Column) -> dict[str, Column]:
    squared = pd.Series(returns**2)
    parkinson = pd.Series(_PARKINSON * np.log(high / low) ** 2)
    columns = {}
    for bars in PARAMETERS.half_lives:
        columns[f"log_volatility_h{bars}"] = _log_root(squared.ewm(halflife=bars).mean().to_numpy())
        columns[f"log_range_h{bars}"] = _log_root(parkinson.ewm(halflife=bars).mean().to_numpy())
    for bars in PARAMETERS.realised_spans:
        columns[f"log_realised_{bars}"] = _log_root(squared.rolling(bars).mean().to_numpy())
    return columns


def _scaled(close: Column) -> float:
    """A power of two that brings prices near a million: exact, and far above the library's absolute thresholds."""
    return float(2.0 ** (_SCALE_EXPONENT - np.frexp(close[0])[1]))


def _momentum(close: Column) -> dict[str, Column]:
    p = PARAMETERS
    price = close * _scaled(close)
    rsi = talib.RSI(price, p.rsi) / 100.0
    span = pd.Series(close).rolling(p.rsi + 1)
    never_moved = (span.max() == span.min()).to_numpy() & (rsi == 0.0)
    macd, signal, histogram = talib.MACD(price, p.macd_fast, p.macd_slow, p.macd_signal)
    columns = {
        f"rsi_{p.rsi}": np.where(never_moved, 0.5, rsi),
        "macd": macd / price,
        "macd_signal": signal / price,
        "macd_histogram": histogram / price,
    }
    columns |= {f"sma_{n}": np.log(price / talib.SMA(price, n)) for n in p.sma}
    columns |= {f"ema_{n}": np.log(price / talib.EMA(price, n)) for n in p.ema}
    return columns


def _bands(close: Column) -> dict[str, Column]:
    p = PARAMETERS
    price = close * _scaled(close)
    upper, middle, lower = talib.BBANDS(price, p.bollinger, p.bollinger_deviations, p.bollinger_deviations)
    width = (upper - lower) / middle
    none = width < p.deviation_floor
    # No member of a sample of n lies further than sqrt(n - 1) deviations from its mean; rounding may say otherwise.
    furthest = np.sqrt(p.bollinger - 1) / p.bollinger_deviations
    position = np.clip((price - middle) / np.where(none, 1.0, upper - middle), -furthest, furthest)
    return {
        f"bollinger_position_{p.bollinger}": np.where(none, 0.0, position),
        f"bollinger_width_{p.bollinger}": np.where(none, 0.0, width),
    }


def _atr(values: Mapping[str, Column]) -> Column:
    scale = _scaled(values["close"])
    high, low, close = (values[name] * scale for name in ("high", "low", "close"))
    ratio: Column = talib.ATR(high, low, close, PARAMETERS.atr) / close
    return ratio


def _z_score(values: Column, bars: int) -> Column:
    deviation = talib.STDDEV(values, bars)
    none = deviation < PARAMETERS.deviation_floor
    return np.where(none, 0.0, (values - talib.SMA(values, bars)) / np.where(none, 1.0, deviation))


def _same_hour_activity(returns: Column) -> Column:
    """The next bar opens one bar on, so its hour was last seen `_DAY_BARS - 1` bars back, and a day before that."""
    days = PARAMETERS.activity_days
    absolute = np.abs(returns)
    same = np.full(returns.shape, np.nan)
    first = days * _DAY_BARS - 1
    if len(returns) > first:
        total = np.zeros(len(returns) - first)
        for day in range(1, days + 1):
            total += absolute[first - (day * _DAY_BARS - 1) : len(returns) - (day * _DAY_BARS - 1)]
        same[first:] = total / days
    every = pd.Series(absolute).rolling(days * _DAY_BARS).mean().to_numpy()
    floor = PARAMETERS.volatility_floor
    ratio: Column = np.log(np.maximum(same, floor)) - np.log(np.maximum(every, floor))
    return ratio


def _calendar(ds: pd.Series) -> dict[str, Column]:
    closes = ds + pd.Timedelta(seconds=BAR_SECONDS)
    return {
        "hour": np.asarray(closes.dt.hour, dtype=np.float64),
        "weekday": np.asarray(closes.dt.weekday, dtype=np.float64),
    }

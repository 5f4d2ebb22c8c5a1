import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import talib

from components.crypto.features import compute_features
from components.crypto.indicators import INDICATOR_NAMES, IndicatorShapeError, price_indicators
from feature_repo.crypto import FEATURE_NAMES, WARM_UP_BARS


@pytest.mark.parametrize("symbol", ["BTC", "DOGE"])
def test_indicators_equal_those_of_the_library_on_raw_prices(candles: pd.DataFrame, symbol: str) -> None:
    series = candles[candles["unique_id"].str.contains(symbol)]
    high, low, close = (series[name].to_numpy() for name in ("high", "low", "close"))
    rows = compute_features(series)
    found = price_indicators(rows[list(FEATURE_NAMES)].to_numpy(), rows["close"].to_numpy())
    macd, signal, histogram = talib.MACD(close, 12, 26, 9)
    upper, _, lower = talib.BBANDS(close, 20, 2, 2)
    returns = np.diff(np.log(close), prepend=np.nan)
    expected = {
        "rsi_14": talib.RSI(close, 14),
        "macd": macd,
        "macd_signal": signal,
        "macd_histogram": histogram,
        "sma_24": talib.SMA(close, 24),
        "sma_168": talib.SMA(close, 168),
        "ema_12": talib.EMA(close, 12),
        "ema_26": talib.EMA(close, 26),
        "bollinger_upper_20": upper,
        "bollinger_lower_20": lower,
        "atr_14": talib.ATR(high, low, close, 14),
        "realised_volatility_24": pd.Series(returns**2).rolling(24).mean().to_numpy() ** 0.5,
    }
    assert tuple(expected) == INDICATOR_NAMES
    scale = np.array(
        [100.0 if name == "rsi_14" else 1.0 if "vol" in name else close.mean() for name in INDICATOR_NAMES]
    )
    wanted = np.stack([values[WARM_UP_BARS:] for values in expected.values()], axis=-1)
    np.testing.assert_allclose(found / scale, wanted / scale, rtol=1e-5, atol=1e-7)


def test_many_windows_are_read_at_once(candles: pd.DataFrame) -> None:
    rows = compute_features(candles[candles["unique_id"].str.contains("BTC")]).tail(48)
    window = rows[list(FEATURE_NAMES)].to_numpy()
    closes = rows["close"].to_numpy()
    one = price_indicators(window, closes)
    both = price_indicators(np.stack([window, window]), np.stack([closes, closes]))
    assert both.shape == (2, 48, len(INDICATOR_NAMES))
    np.testing.assert_array_equal(both[1], one)


def test_shapes_that_do_not_match_are_refused_naming_both() -> None:
    with pytest.raises(IndicatorShapeError, match=r"\(168, 44\).*\(168, 15\)"):
        price_indicators(np.zeros((168, 15), dtype=np.float32), np.ones(168))
    with pytest.raises(IndicatorShapeError, match=r"\(2, 168\)"):
        price_indicators(np.zeros((168, 44), dtype=np.float32), np.ones((2, 168)))


def test_the_module_loads_without_pandas_or_the_indicator_library() -> None:
    code = "import sys, components.crypto.indicators; print({'pandas', 'talib', 'feast', 'pyarrow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

MakeCandles = Callable[..., pd.DataFrame]


def random_walk(symbol: str, bars: int, *, seed: int, price: float, start: str = "2024-01-01") -> pd.DataFrame:
    """Candles of one series whose high and low enclose its open and close."""
    rng = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(rng.standard_t(4, bars) * 0.005))
    opened = np.concatenate([[price], close[:-1]])
    spread = np.abs(rng.normal(0, 0.002, (2, bars)))
    return pd.DataFrame(
        {
            "unique_id": f"binance:usdm-perp:{symbol}-USDT",
            "ds": pd.date_range(start, periods=bars, freq="h", tz="UTC").as_unit("us"),
            "open": opened,
            "high": np.maximum(opened, close) * (1 + spread[0]),
            "low": np.minimum(opened, close) * (1 - spread[1]),
            "close": close,
            "volume": np.exp(rng.normal(8, 1, bars)),
        }
    )


@pytest.fixture
def make_candles() -> MakeCandles:
    """Factory of one series of random-walk candles."""
    return random_walk


@pytest.fixture(scope="session")
def candles() -> pd.DataFrame:
    """Three coins of very different prices; the second is listed later."""
    return pd.concat(
        [
            random_walk("BTC", 1500, seed=1, price=40_000.0),
            random_walk("DOGE", 1400, seed=2, price=0.08, start="2024-01-05"),
            random_walk("SHIB", 1500, seed=3, price=9.1e-6),
        ],
        ignore_index=True,
    )

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from components.crypto.baselines.ewma import CANDIDATE_HALF_LIVES_BARS
from components.crypto.baselines.har import har_features
from components.crypto.dataset import Dataset, build_dataset

BARS = 5000
BUSY_HOUR = 14
BUSY_FACTOR = 3.0
NAMES = tuple(dict.fromkeys([*har_features(), *(f"log_volatility_h{h}" for h in CANDIDATE_HALF_LIVES_BARS)]))


@dataclass(frozen=True)
class Market:
    """Returns [S, BARS] of coins whose log volatility wanders, three times as wild in one hour of the day."""

    returns: np.ndarray
    ds: np.ndarray

    def dataset(self) -> Dataset:
        tables = [_features(r, self.ds) for r in self.returns]
        return build_dataset(
            np.concatenate([t.to_numpy(np.float32) for t in tables]),
            np.repeat(np.arange(len(tables)), BARS).astype(np.int32),
            tuple(f"binance:usdm-perp:C{i}-USDT" for i in range(len(tables))),
            np.tile(self.ds, len(tables)),
            np.concatenate([100.0 * np.exp(np.cumsum(r)) for r in self.returns]),
            feature_names=NAMES,
        )


def _features(returns: np.ndarray, ds: np.ndarray) -> pd.DataFrame:
    squares = pd.Series(returns**2)
    close_time = pd.DatetimeIndex(ds) + pd.Timedelta(hours=1)
    columns: dict[str, object] = {
        "log_return_1": returns,
        "log_return_24": pd.Series(returns).rolling(24, min_periods=1).sum(),
        "hour": close_time.hour,
        "weekday": close_time.weekday,
    }
    for name in NAMES:
        kind, _, span = name.rpartition("_")
        if kind == "log_realised":
            columns[name] = 0.5 * np.log(squares.rolling(int(span), min_periods=1).mean() + 1e-12)
        elif kind in ("log_volatility", "log_range"):
            columns[name] = 0.5 * np.log(squares.ewm(halflife=int(span[1:])).mean() + 1e-12)
    return pd.DataFrame({name: columns[name] for name in NAMES})


@pytest.fixture(scope="session")
def market() -> Market:
    generator = np.random.default_rng(5)
    ds = np.datetime64("2024-01-01T00:00", "us") + np.arange(BARS) * np.timedelta64(1, "h")
    hourly = np.where(np.arange(BARS) % 24 == BUSY_HOUR, BUSY_FACTOR, 1.0)
    returns = []
    for level in (0.004, 0.008):
        shocks = generator.normal(0.0, 0.1, BARS)
        log_volatility = np.zeros(BARS)
        for i in range(1, BARS):
            log_volatility[i] = 0.985 * log_volatility[i - 1] + shocks[i]
        returns.append(level * np.exp(log_volatility) * hourly * generator.standard_t(6, BARS))
    return Market(np.stack(returns), ds)


@pytest.fixture(scope="session")
def data(market: Market) -> Dataset:
    return market.dataset()

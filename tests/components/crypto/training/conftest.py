"""A market of three coins with changing volatility, small enough to train on in seconds."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.crypto.features import compute_features
from components.crypto.networks import NetworkSettings
from components.crypto.training import TrainingSettings
from runtime.object_store.local import LocalObjectStore

BARS = 3600
COINS = ("AAA", "BBB", "CCC")

TINY = {
    "lstm": TrainingSettings(
        NetworkSettings("lstm", window_bars=24, width=8),
        max_epochs=4,
        patience_epochs=4,
        chunk_bars=48,
        burn_in_bars=12,
        batch_chunks=8,
        learning_rate=3e-3,
    ),
    "transformer": TrainingSettings(
        NetworkSettings("transformer", window_bars=24, width=8, heads=2, layers=2, band_bars=12),
        max_epochs=4,
        patience_epochs=4,
        chunk_bars=48,
        burn_in_bars=22,
        batch_chunks=8,
        learning_rate=3e-3,
    ),
}


def simulated_candles(bars: int = BARS, seed: int = 0) -> pd.DataFrame:
    """Hourly candles whose log volatility wanders and has a daily rhythm."""
    random = np.random.default_rng(seed)
    ds = pd.date_range("2024-01-01", periods=bars, freq="h", tz="UTC").astype("datetime64[us, UTC]")
    rhythm = 0.5 * np.sin(2 * np.pi * np.arange(bars) / 24)
    tables = []
    for coin in COINS:
        wandering = np.zeros(bars)
        shocks = random.normal(0.0, 0.15, bars)
        for bar in range(1, bars):
            wandering[bar] = 0.97 * wandering[bar - 1] + shocks[bar]
        volatility = 0.006 * np.exp(wandering + rhythm)
        close = 100.0 * np.exp(np.cumsum(volatility * random.standard_t(5, bars) / 1.3))
        opened = np.concatenate([[100.0], close[:-1]])
        high = np.maximum(opened, close) * np.exp(0.5 * volatility * random.random(bars))
        low = np.minimum(opened, close) * np.exp(-0.5 * volatility * random.random(bars))
        volume = 1000.0 * np.exp(random.normal(size=bars))
        unique_id = f"binance:usdm-perp:{coin}-USDT"
        columns = {"open": opened, "high": high, "low": low, "close": close, "volume": volume}
        tables.append(pd.DataFrame({"unique_id": unique_id, "ds": ds, **columns}))
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(params=sorted(TINY))
def tiny(request: pytest.FixtureRequest) -> TrainingSettings:
    """Settings that train one network of each kind in seconds."""
    return TINY[request.param]


@pytest.fixture
def tiny_lstm() -> TrainingSettings:
    """Settings that train an LSTM in seconds."""
    return TINY["lstm"]


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The feature table of the simulated market."""
    path = tmp_path_factory.mktemp("features") / "features.parquet"
    compute_features(simulated_candles()).to_parquet(path, index=False, coerce_timestamps="us")
    return path


@pytest.fixture
def store(tmp_path: Path) -> LocalObjectStore:
    """An empty object store."""
    return LocalObjectStore(tmp_path / "objects")

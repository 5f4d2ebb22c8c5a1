"""The recorded hours of all eight coins, and which of them are scored."""

from datetime import datetime
from pathlib import Path

import pandas as pd

from components.crypto.dataset import Dataset
from components.crypto.features import build_features
from components.crypto.series import Series
from components.crypto.splits import Interval, Split
from feature_repo.crypto import WARM_UP_BARS
from runtime.settings import REPOSITORY_ROOT, RuntimeSettings

DATA = REPOSITORY_ROOT.parent / "shared" / "data" / "crypto_ohlcv_1h"
COINS = ("BTC", "ETH", "SOL", "DOGE")
HORIZONS = (1, 6, 24)

HELD_OUT_SHARE = 0.2
"""The latest share of the candles is the benchmark."""

TRAIN_SHARE, STOP_SHARE = 0.82, 0.08
"""Of what lies before the benchmark; the rest calibrates."""


def work_folder() -> Path:
    """Where benchmarks keep what they make."""
    folder = RuntimeSettings().state_dir / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def build_table(data: Path) -> Path:
    """Compute the feature table of the recorded candles, once.

    Args:
        data: Folder with one Parquet of `symbol` (BTCUSDT), `timestamp`, open, high, low, close and volume.
    """
    source = next(data.glob("*.parquet"))
    candles = pd.read_parquet(source)
    symbols = candles["symbol"].astype(str).str.removesuffix("USDT")
    table = candles.rename(columns={"timestamp": "ds"})
    table["unique_id"] = symbols.map(lambda symbol: Series(symbol).unique_id)
    table["ds"] = table["ds"].astype("datetime64[us, UTC]")
    table = table[["unique_id", "ds", "open", "high", "low", "close", "volume"]].sort_values(["unique_id", "ds"])
    clean = work_folder() / "quality_candles.parquet"
    features = work_folder() / "quality_features.parquet"
    table.to_parquet(clean, index=False)
    build_features(clean, features)
    return features


def benchmark_start(dataset: Dataset) -> datetime:
    """First bar of the held-out slice: four fifths of the candles lie before it, those of the warm-up included."""
    bar = dataset.timeframe.delta
    bars = int((dataset.last - dataset.first) / bar) + 1 + WARM_UP_BARS
    return dataset.first + (int((1.0 - HELD_OUT_SHARE) * bars) - WARM_UP_BARS) * bar


def split_before(dataset: Dataset, start: datetime, end: datetime) -> Split:
    """Train, stop and calibrate before `start`, an embargo after each; the gate from `start` to `end`."""
    bar, embargo = dataset.timeframe.delta, dataset.horizon_bars
    usable = int((start - dataset.first) / bar) - 3 * embargo
    train = dataset.first + round(TRAIN_SHARE * usable) * bar
    stop = train + (embargo + round(STOP_SHARE * usable)) * bar
    return Split(
        Interval(dataset.first, train),
        Interval(train + embargo * bar, stop),
        Interval(stop + embargo * bar, start - embargo * bar),
        Interval(start, end),
    )


def benchmark_split(dataset: Dataset) -> Split:
    """The split whose gate is the benchmark; everything that is fitted or tuned lies before it."""
    return split_before(dataset, benchmark_start(dataset), dataset.last + dataset.timeframe.delta)


def tuning_splits(dataset: Dataset, origins: int = 3, gate_share: float = 0.1) -> tuple[Split, ...]:
    """Splits whose gates follow one another and end before the benchmark, oldest first; what tuning may look at."""
    bar = dataset.timeframe.delta
    end = benchmark_start(dataset) - dataset.horizon_bars * bar
    step = int(gate_share * ((end - dataset.first) / bar)) * bar
    return tuple(split_before(dataset, end - back * step, end - (back - 1) * step) for back in range(origins, 0, -1))

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.crypto.baselines.har import Har, fit_har
from components.crypto.candidate import write_candidate
from components.crypto.dataset import Dataset, load_dataset
from components.crypto.features import build_features
from components.crypto.har import fit_har_candidate, har_onnx
from components.crypto.splits import Interval
from runtime.bundle import write_bundle

BARS = 4200
SYMBOLS = {"BTC": 0.004, "ETH": 0.006}


def candles(symbol: str, level: float, seed: int) -> pd.DataFrame:
    """Hourly candles whose log volatility wanders and doubles in the afternoon."""
    generator = np.random.default_rng(seed)
    steps = generator.normal(0.0, 0.1, BARS)
    log_volatility = np.zeros(BARS)
    for i in range(1, BARS):
        log_volatility[i] = 0.98 * log_volatility[i - 1] + steps[i]
    hour = np.arange(BARS) % 24
    sigma = level * np.exp(log_volatility) * np.where((hour >= 13) & (hour < 17), 2.0, 1.0)
    inside = sigma[:, None] / np.sqrt(12) * generator.normal(size=(BARS, 12))
    path = np.log(100.0) + np.cumsum(inside.ravel()).reshape(BARS, 12)
    close = np.exp(path[:, -1])
    opened = np.concatenate([[100.0], close[:-1]])
    return pd.DataFrame(
        {
            "unique_id": f"binance:usdm-perp:{symbol}-USDT",
            "ds": pd.date_range("2024-01-01", periods=BARS, freq="h", tz="UTC").as_unit("us"),
            "open": opened,
            "high": np.maximum(np.exp(path.max(axis=1)), np.maximum(opened, close)),
            "low": np.minimum(np.exp(path.min(axis=1)), np.minimum(opened, close)),
            "close": close,
            "volume": np.exp(generator.normal(8.0, 1.0, BARS)),
        }
    )


@pytest.fixture(scope="session")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("features")
    tables = [candles(symbol, level, seed) for seed, (symbol, level) in enumerate(SYMBOLS.items())]
    pd.concat(tables, ignore_index=True).to_parquet(folder / "candles.parquet", index=False)
    build_features(folder / "candles.parquet", folder / "features.parquet")
    return folder / "features.parquet"


@pytest.fixture(scope="session")
def dataset(features: Path) -> Dataset:
    return load_dataset(features)


@pytest.fixture(scope="session")
def har(features: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("candidates") / "har"
    fit_har_candidate(features, folder)
    return folder


@pytest.fixture(scope="session")
def fitted(dataset: Dataset) -> Har:
    split = dataset.split()
    return fit_har(dataset, dataset.rows(Interval(split.train.start, split.stop.end)))


@pytest.fixture(scope="session")
def overconfident(features: Path, dataset: Dataset, fitted: Har, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A candidate whose quantiles are half as far from the median as they should be."""
    folder = tmp_path_factory.mktemp("candidates") / "overconfident"
    return write_variant(folder, features, dataset, Har(fitted.coefficients, 0.5 * fitted.shape))


def write_variant(folder: Path, features: Path, dataset: Dataset, model: Har) -> Path:
    write_candidate(
        folder,
        network="lstm",
        dataset=dataset,
        features=features,
        model=har_onnx(model, dataset.feature_names),
        train_rows=dataset.rows(dataset.split().train),
        calibration={"method": "none"},
        window_bars=1,
        parameters={},
        metrics={},
        seconds=0.0,
    )
    return folder


@pytest.fixture
def variant(features: Path, dataset: Dataset, tmp_path: Path):  # noqa: ANN201 - a factory of candidate folders
    def make(name: str, model: Har) -> Path:
        return write_variant(tmp_path / name, features, dataset, model)

    return make


@pytest.fixture
def champion(har: Path, tmp_path: Path):  # noqa: ANN201 - a factory of bundles
    def make(**changes: object) -> Path:
        import json

        described = json.loads((har / "candidate.json").read_text())
        manifest = {k: v for k, v in described.items() if k not in ("parameters", "metrics", "seconds")}
        manifest |= {"family": "crypto", "name": "crypto-forecast-1h", "code_revision": "r", "created_at": "t"}
        files = {name: har / name for name in ("model.onnx", "input_statistics.json", "calibration.json")}
        return write_bundle(tmp_path / "champion", files, {**manifest, **changes}).path

    return make

"""Networks of a few hundred weights, and windows that look like features."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from components.crypto.networks import Forecaster, NetworkSettings
from feature_repo.crypto import FEATURE_NAMES

HORIZON_BARS = 6

SMALL = {
    "lstm": NetworkSettings("lstm", window_bars=12, width=8, dropout=0.1),
    "transformer": NetworkSettings("transformer", window_bars=12, width=8, layers=2, heads=2, band_bars=6, dropout=0.1),
}


def _windows(rows: int, bars: int = 12, seed: int = 0) -> torch.Tensor:
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, bars, len(FEATURE_NAMES))).astype(np.float32)
    for column, name in enumerate(FEATURE_NAMES):
        if name.startswith(("log_volatility", "log_range", "log_realised", "market_log_volatility")):
            values[..., column] = 0.3 * values[..., column] - 5.0
        elif not name.startswith(("hour", "weekday")):
            values[..., column] *= 0.01
    values[..., FEATURE_NAMES.index("hour")] = random.integers(0, 24, (rows, bars))
    values[..., FEATURE_NAMES.index("weekday")] = random.integers(0, 7, (rows, bars))
    return torch.from_numpy(values)


def _forecaster(settings: NetworkSettings, seed: int) -> Forecaster:
    torch.manual_seed(seed)
    network = Forecaster(settings, FEATURE_NAMES, HORIZON_BARS)
    network.encoder.fit(_windows(200, 1, seed=5)[:, 0])
    for parameter in network.head.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return network.eval()


@pytest.fixture(params=sorted(SMALL), scope="module")
def make_forecaster(request: pytest.FixtureRequest) -> Callable[[int], Forecaster]:
    """A function from a seed to a small network of each kind, far from its start, for six horizons."""
    return lambda seed: _forecaster(SMALL[request.param], seed)


@pytest.fixture
def forecaster(make_forecaster: Callable[[int], Forecaster]) -> Forecaster:
    """One such network."""
    return make_forecaster(1)


@pytest.fixture(scope="session")
def windows() -> Callable[..., torch.Tensor]:
    """A function that makes plausible windows [rows, bars, F]."""
    return _windows

from datetime import UTC, datetime

import numpy as np
import pytest

from components.crypto.baselines.garch import Garch, GarchParameters, fit_garch
from components.crypto.dataset import Dataset, build_dataset
from components.crypto.splits import Interval

TRUE = GarchParameters(omega=0.02, alpha=0.04, gamma=0.08, beta=0.90, hourly=np.ones(24))
ALWAYS = Interval(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))


def simulate(parameters: GarchParameters, bars: int, paths: int, variance: float, seed: int) -> np.ndarray:
    """Returns in percent, [paths, bars], from the variance of the first bar on."""
    draws = np.random.default_rng(seed).normal(size=(paths, bars))
    returns, s2 = np.empty((paths, bars)), np.full(paths, variance)
    for i in range(bars):
        returns[:, i] = np.sqrt(s2) * draws[:, i]
        shock = (parameters.alpha + parameters.gamma * (returns[:, i] < 0)) * returns[:, i] ** 2
        s2 = parameters.omega + shock + parameters.beta * s2
    return returns


def one_coin(returns_percent: np.ndarray) -> Dataset:
    bars = len(returns_percent)
    return build_dataset(
        (returns_percent / 100)[:, None].astype(np.float32),
        np.zeros(bars, np.int32),
        ("binance:usdm-perp:A-USDT",),
        np.datetime64("2024-01-01", "us") + np.arange(bars) * np.timedelta64(1, "h"),
        100.0 * np.exp(np.cumsum(returns_percent / 100)),
        feature_names=("log_return_1",),
    )


def test_parameters_of_a_simulated_series_are_found_again() -> None:
    data = one_coin(simulate(TRUE, 12_000, 1, 1.0, seed=1)[0])
    found = fit_garch(data, data.rows(ALWAYS)).parameters[0]
    assert found is not None
    assert found.persistence == pytest.approx(TRUE.persistence, abs=0.02)
    assert found.beta == pytest.approx(TRUE.beta, abs=0.03)
    assert found.gamma == pytest.approx(TRUE.gamma, abs=0.04)
    assert np.abs(found.hourly - 1.0).max() < 0.25


def test_the_scale_of_every_horizon_is_the_spread_of_simulated_paths() -> None:
    data = one_coin(simulate(TRUE, 600, 1, 1.0, seed=2)[0])
    row = np.array([555])
    unit = np.tile(np.linspace(-1, 1, 7), (1, 24, 1))
    scale = Garch((TRUE,), unit).predict(data, row)[0, :, -1] * 100
    after = simulate(TRUE, 24, 400_000, float(scale[0] ** 2), seed=3)
    np.testing.assert_allclose(scale, np.cumsum(after, axis=1).std(axis=0), rtol=0.02)


def test_the_hourly_pattern_belongs_to_the_hour_of_the_bar_that_is_forecast() -> None:
    hourly = np.ones(24)
    hourly[7] = 5.0
    flat = GarchParameters(omega=1.0, alpha=0.0, gamma=0.0, beta=0.0, hourly=hourly)
    data = one_coin(np.random.default_rng(4).normal(size=100))
    six_oclock = np.array([30])
    assert data.ds[30].astype("datetime64[h]").astype(int) % 24 == 6
    scale = Garch((flat,), np.ones((1, 24, 7))).predict(data, six_oclock)[0, :, 0] * 100
    assert scale[0] == pytest.approx(5.0, rel=1e-5)
    assert scale[1] == pytest.approx(np.sqrt(26.0), rel=1e-5)

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from components.crypto.baselines import BASELINES, fit_ewma, fit_har, fit_unconditional, rolling_predictions
from components.crypto.baselines.port import BaselineError
from components.crypto.dataset import Dataset, IntArray
from components.crypto.metrics import covered, pinball_losses
from components.crypto.splits import Interval
from feature_repo.crypto import QUANTILE_LEVELS

START = datetime(2024, 1, 1, tzinfo=UTC)
TRAIN = Interval(START, START + timedelta(hours=3800))
TEST = Interval(START + timedelta(hours=3824), START + timedelta(hours=5000))


def loss(data: Dataset, rows: IntArray, name: str) -> float:
    fitted = BASELINES[name](data, data.rows(TRAIN))
    return float(pinball_losses(data.targets[rows], fitted.predict(data, rows)).mean())


@pytest.mark.parametrize("name", BASELINES)
def test_quantiles_have_the_shape_of_a_forecast_and_never_cross(data: Dataset, name: str) -> None:
    rows = data.rows(TEST)[::7]
    quantiles = BASELINES[name](data, data.rows(TRAIN)).predict(data, rows)
    assert quantiles.shape == (len(rows), 24, len(QUANTILE_LEVELS))
    assert quantiles.dtype == np.float32
    assert (np.diff(quantiles, axis=2) >= 0).all()


@pytest.mark.parametrize("name", BASELINES)
def test_about_four_fifths_of_later_returns_fall_into_the_80_percent_interval(data: Dataset, name: str) -> None:
    rows = data.rows(TEST)
    quantiles = BASELINES[name](data, data.rows(TRAIN)).predict(data, rows)
    assert 0.70 < covered(data.targets[rows], quantiles, 80).mean() < 0.90


@pytest.mark.parametrize("name", BASELINES)
def test_a_forecast_does_not_change_when_the_future_does(data: Dataset, market: Any, name: str) -> None:
    cut = 4000
    changed = type(market)(market.returns.copy(), market.ds)
    changed.returns[:, cut + 1 :] *= -5.0
    rows = data.rows(Interval(TEST.start, START + timedelta(hours=cut + 1)), need_targets=False)
    before = BASELINES[name](data, data.rows(TRAIN)).predict(data, rows)
    other = changed.dataset()
    after = BASELINES[name](other, other.rows(TRAIN)).predict(other, rows)
    np.testing.assert_array_equal(before, after)


def test_unconditional_quantiles_are_those_of_each_coin_and_horizon(data: Dataset) -> None:
    train, rows = data.rows(TRAIN), data.rows(TEST)
    quantiles = fit_unconditional(data, train).predict(data, rows)
    for coin in (0, 1):
        own = data.targets[train][data.series_index[train] == coin].astype(np.float64)
        expected = np.quantile(own[:, 5], QUANTILE_LEVELS)
        np.testing.assert_allclose(quantiles[data.series_index[rows] == coin][0, 5], expected, rtol=1e-6)


def test_volatility_scaling_beats_unconditional_quantiles_and_seasonality_beats_both(data: Dataset) -> None:
    rows = data.rows(TEST)
    unconditional, ewma, har = (loss(data, rows, name) for name in ("unconditional", "ewma", "har"))
    assert ewma < 0.995 * unconditional
    assert har < 0.97 * ewma


def test_garch_with_an_hourly_pattern_beats_unconditional_quantiles(data: Dataset) -> None:
    rows = data.rows(TEST)
    assert loss(data, rows, "garch") < 0.97 * loss(data, rows, "unconditional")


def test_har_finds_how_much_wilder_the_busy_hour_is(data: Dataset) -> None:
    train = data.rows(TRAIN)
    fitted = fit_har(data, train)
    rows = data.rows(TEST)
    hour = data.features[rows, data.column("hour")]
    next_bar = fitted.scale(data, rows)[:, 0]
    ratio = np.exp(np.log(next_bar[hour == 14]).mean() - np.log(next_bar[hour == 4]).mean())
    assert ratio == pytest.approx(3.0, rel=0.15)


def test_ewma_prefers_long_memory_where_volatility_hardly_moves(data: Dataset, market: Any) -> None:
    steady = np.random.default_rng(9).normal(0.0, 0.005, market.returns.shape)
    constant = type(market)(steady, market.ds).dataset()
    assert min(fit_ewma(constant, constant.rows(TRAIN)).half_lives_bars) >= 168
    assert fit_ewma(data, data.rows(TRAIN)).half_lives_bars[23] <= 96


@pytest.mark.parametrize("name", BASELINES)
def test_a_history_too_short_to_fit_on_is_refused(data: Dataset, name: str) -> None:
    with pytest.raises(BaselineError, match="bring more history"):
        BASELINES[name](data, data.rows(TRAIN)[:20])


def test_every_refit_knows_only_targets_that_lie_before_its_origin(data: Dataset) -> None:
    fitted_until: list[datetime] = []

    def spy(dataset: Dataset, rows: IntArray) -> object:
        fitted_until.append(dataset.moment(rows[np.argmax(dataset.ds[rows])]))
        return fit_unconditional(dataset, rows)

    typed: Callable[[Dataset, IntArray], object] = spy
    rows = data.rows(TEST)
    predictions = rolling_predictions(typed, data, data.first, rows[::-1], refits=3)  # type: ignore[arg-type]
    assert len(fitted_until) == 3
    assert fitted_until[0] + timedelta(hours=24) < TEST.start
    assert fitted_until == sorted(fitted_until)
    span = (data.moment(rows[-1]) - TEST.start) / 3
    for number, until in enumerate(fitted_until):
        origin = TEST.start + number * span
        assert until + timedelta(hours=24) <= origin + timedelta(hours=1)
    alone = fit_unconditional(data, data.rows(Interval(data.first, TEST.start - timedelta(hours=24))))
    first_third = data.ds[rows[::-1]] < np.datetime64((TEST.start + span).replace(tzinfo=None))
    np.testing.assert_allclose(predictions[first_third], alone.predict(data, rows[::-1][first_third]))

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from components.crypto import metrics
from components.crypto.distribution import ReturnDistribution
from feature_repo.crypto import QUANTILE_LEVELS

NORMAL = np.tile(stats.norm.ppf(QUANTILE_LEVELS), (20_000, 1, 1))
DRAWS = np.random.default_rng(0).normal(size=(20_000, 1))


def test_pinball_loss_of_a_level_by_hand() -> None:
    losses = metrics.pinball_losses([[1.0], [-1.0]], np.zeros((2, 1, 7)))
    np.testing.assert_allclose(losses[0, 0], QUANTILE_LEVELS)
    np.testing.assert_allclose(losses[1, 0], 1.0 - np.asarray(QUANTILE_LEVELS))


@pytest.mark.parametrize("shift", [-0.3, 0.3])
@pytest.mark.parametrize("stretch", [0.7, 1.4])
def test_the_true_quantiles_score_best(shift: float, stretch: float) -> None:
    truth = metrics.pinball_losses(DRAWS, NORMAL).mean()
    assert truth < metrics.pinball_losses(DRAWS, NORMAL + shift).mean()
    assert truth < metrics.pinball_losses(DRAWS, NORMAL * stretch).mean()


@pytest.mark.parametrize("percent", [50, 80, 95])
def test_true_quantiles_cover_what_they_promise(percent: int) -> None:
    assert metrics.covered(DRAWS, NORMAL, percent).mean() == pytest.approx(percent / 100, abs=0.012)
    low, high = metrics.interval_of(NORMAL, percent)
    np.testing.assert_allclose([low[0, 0], high[0, 0]], stats.norm.interval(percent / 100))


def test_the_probability_integral_transform_of_true_quantiles_is_uniform() -> None:
    pit = metrics.cumulative_probability(DRAWS, NORMAL).ravel()
    assert stats.kstest(pit, "uniform").pvalue > 0.01
    wide = metrics.cumulative_probability(DRAWS, 2.0 * NORMAL).ravel()
    assert stats.kstest(wide, "uniform").pvalue < 1e-6


@settings(deadline=None)
@given(
    quantiles=st.lists(st.floats(-1, 1), min_size=7, max_size=7).map(sorted),
    point=st.floats(-2, 2),
    on_a_quantile=st.integers(0, 13),
)
def test_arrays_and_the_gateways_distribution_agree(quantiles: list[float], point: float, on_a_quantile: int) -> None:
    value = quantiles[on_a_quantile] if on_a_quantile < 7 else point
    one = ReturnDistribution(QUANTILE_LEVELS, tuple(quantiles)).probability_at_most(value)
    many = metrics.cumulative_probability(np.array([[value]]), np.array([[quantiles]]))[0, 0]
    assert many == pytest.approx(one, abs=1e-9)


def test_a_median_of_no_change_scores_one_where_nothing_changed_since() -> None:
    naive = np.abs(np.expm1(DRAWS * 0.01)).mean()
    errors = metrics.scaled_price_errors(DRAWS * 0.01, NORMAL * 0.01, naive)
    assert errors.mean() == pytest.approx(1.0, abs=1e-9)


def test_direction_counts_hits_and_half_of_what_is_undecided() -> None:
    median = np.zeros((3, 1, 7))
    median[0] = 0.1
    median[1] = -0.1
    assert metrics.direction_hits([[0.2], [0.2], [0.2]], median).ravel().tolist() == [1.0, 0.0, 0.5]


def test_the_brier_score_rewards_knowing_the_direction() -> None:
    rise = np.array([[0.01]])
    sure, unsure = np.linspace(0.5, 1.5, 7)[None, None], NORMAL[:1]
    assert metrics.brier_scores(rise, unsure)[0, 0] == pytest.approx(0.25)
    assert metrics.brier_scores(rise, sure)[0, 0] < 0.01
    assert metrics.brier_scores(-rise, sure)[0, 0] > 0.95

import math
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from components.crypto.distribution import DistributionError, ReturnDistribution, price_forecast
from feature_repo.crypto import QUANTILE_LEVELS

normals = st.builds(lambda mean, sd: stats.norm(mean, sd), st.floats(-0.5, 0.5), st.floats(1e-4, 0.5))
ascending = st.lists(st.floats(-1.0, 1.0), min_size=7, max_size=7).map(lambda q: tuple(sorted(q)))


def of(quantiles: tuple[float, ...]) -> ReturnDistribution:
    return ReturnDistribution(QUANTILE_LEVELS, quantiles)


@settings(deadline=None)
@given(normal=normals, point=st.floats(-4, 4), level=st.floats(1e-4, 1 - 1e-4))
def test_quantiles_of_a_normal_give_back_that_normal_everywhere(normal, point: float, level: float) -> None:  # noqa: ANN001
    found = of(tuple(normal.ppf(QUANTILE_LEVELS)))
    value = normal.mean() + point * normal.std()
    assert found.probability_at_most(value) == pytest.approx(normal.cdf(value), abs=1e-9)
    assert found.quantile(level) == pytest.approx(normal.ppf(level), abs=1e-9)
    assert found.mean == pytest.approx(normal.mean(), abs=1e-9)
    assert found.standard_deviation == pytest.approx(normal.std(), rel=1e-6)


@settings(deadline=None)
@given(quantiles=ascending)
def test_moments_in_closed_form_equal_numeric_integrals_over_the_quantile_function(
    quantiles: tuple[float, ...],
) -> None:
    found = of(quantiles)
    knots = [0.0, *stats.norm.cdf(stats.norm.ppf(QUANTILE_LEVELS)), 1.0]

    def integral(power: int) -> float:
        pieces = (
            integrate.quad(lambda p: found.quantile(p) ** power, a, b, epsabs=1e-9)[0] for a, b in pairwise(knots)
        )
        return math.fsum(pieces)

    mean = integral(1)
    assert found.mean == pytest.approx(mean, abs=1e-5)
    assert found.standard_deviation**2 == pytest.approx(integral(2) - mean**2, abs=1e-4)


@given(quantiles=ascending, values=st.lists(st.floats(-3, 3), min_size=2, max_size=20))
def test_the_distribution_function_never_decreases_and_stays_between_0_and_1(
    quantiles: tuple[float, ...], values: list[float]
) -> None:
    found = of(quantiles)
    probabilities = [found.probability_at_most(v) for v in sorted(values)]
    assert all(0.0 <= p <= 1.0 for p in probabilities)
    assert all(a <= b + 1e-12 for a, b in pairwise(probabilities))


@given(quantiles=ascending)
def test_the_distribution_passes_through_every_quantile(quantiles: tuple[float, ...]) -> None:
    found = of(quantiles)
    for level, quantile in zip(QUANTILE_LEVELS, quantiles, strict=True):
        assert found.quantile(level) == quantile
        assert found.probability_at_most(quantile) >= level - 1e-9


def test_equal_quantiles_are_a_point_of_positive_probability() -> None:
    found = of((-0.02, -0.01, 0.0, 0.0, 0.0, 0.01, 0.02))
    assert found.probability_at_most(0.0) == pytest.approx(0.75)
    assert found.probability_at_most(-1e-12) == pytest.approx(0.25)
    still = of((0.0,) * 7)
    assert still.standard_deviation == 0.0
    assert still.probability_at_most(0.0) == 1.0


def test_prices_intervals_and_chances_of_a_known_normal() -> None:
    normal = stats.norm(0.01, 0.03)
    forecast = price_forecast(QUANTILE_LEVELS, tuple(normal.ppf(QUANTILE_LEVELS)), 200.0)
    assert forecast.median == pytest.approx(200.0 * math.exp(0.01))
    for percent in (50, 80, 95):
        low, high = normal.interval(percent / 100)
        assert forecast.intervals[str(percent)] == pytest.approx((200.0 * math.exp(low), 200.0 * math.exp(high)))
    assert forecast.probability_up == pytest.approx(normal.sf(0.0))
    assert forecast.expected_volatility == pytest.approx(0.03)


def test_levels_that_came_over_the_wire_as_single_precision_give_the_same_prices() -> None:
    quantiles = (-0.05, -0.02, -0.01, 0.001, 0.01, 0.02, 0.06)
    single = [float(level) for level in np.asarray(QUANTILE_LEVELS, dtype=np.float32)]
    exact, rounded = (price_forecast(levels, quantiles, 100.0) for levels in (QUANTILE_LEVELS, single))
    assert rounded.median == pytest.approx(exact.median, rel=1e-6)
    assert rounded.intervals["95"] == pytest.approx(exact.intervals["95"], rel=1e-6)


@pytest.mark.parametrize(
    ("levels", "quantiles", "message"),
    [
        ((0.1, 0.5), (0.0, 0.1, 0.2), "3 quantiles and 2 levels"),
        ((0.5,), (0.0,), "at least 2"),
        ((0.5, 0.5), (0.0, 0.1), "ascend"),
        ((0.0, 0.5), (0.0, 0.1), "between 0 and 1"),
        ((0.5, 1.0), (0.0, 0.1), "between 0 and 1"),
        ((0.1, 0.5), (0.2, 0.1), "must not decrease"),
        ((0.1, 0.5), (math.nan, 0.1), "finite"),
    ],
)
def test_what_is_no_distribution_is_refused(
    levels: tuple[float, ...], quantiles: tuple[float, ...], message: str
) -> None:
    with pytest.raises(DistributionError, match=message):
        ReturnDistribution(levels, quantiles)


@pytest.mark.parametrize("price", [0.0, -1.0, math.nan, math.inf])
def test_a_last_price_that_is_no_price_is_refused(price: float) -> None:
    with pytest.raises(DistributionError, match="last price"):
        price_forecast((0.1, 0.9), (-0.1, 0.1), price)


def test_a_return_beyond_any_price_is_refused() -> None:
    with pytest.raises(DistributionError, match="no finite price"):
        price_forecast((0.1, 0.9), (-0.1, 5000.0), 100.0)


def test_the_gateway_loads_it_without_numpy() -> None:
    code = "import sys, components.crypto.distribution; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brain.l20.strategy.durations import of_three_points
from brain.l20.strategy.playbook import Hours


def test_three_points_become_a_log_normal_with_their_mean_and_deviation() -> None:
    found = of_three_points(Hours(low=6, likely=9, high=24))
    assert found.mu is not None
    assert found.mean == pytest.approx(11)
    variance = (math.exp(found.sigma**2) - 1) * math.exp(2 * found.mu + found.sigma**2)
    assert math.sqrt(variance) == pytest.approx(3)


def test_three_equal_points_are_certain() -> None:
    found = of_three_points(Hours(low=5, likely=5, high=5))
    assert found.quantile(0.01) == pytest.approx(5) == found.quantile(0.99)


def test_no_hours_are_no_work() -> None:
    found = of_three_points(Hours(low=0, likely=0, high=0))
    assert found.quantile(0.9) == 0 == found.mean


@given(st.lists(st.floats(0, 1000), min_size=3, max_size=3).map(sorted), st.floats(0.05, 0.9))
def test_a_higher_quantile_is_never_shorter(points: list[float], share: float) -> None:
    found = of_three_points(Hours(low=points[0], likely=points[1], high=points[2]))
    assert found.quantile(share) <= found.quantile(share + 0.05)


def test_points_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="low <= likely <= high"):
        Hours(low=5, likely=4, high=6)

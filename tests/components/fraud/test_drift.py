"""The population stability index against its definition."""

import math

import pytest

from components.fraud.drift import Histogram, Reference, ReferenceError

DECILES = Histogram(tuple(range(1, 10)), (0.1,) * 10)


def test_values_as_they_were_have_an_index_of_nothing() -> None:
    assert DECILES.index([place + 0.5 for place in range(10)] * 5) == pytest.approx(0.0)


def test_it_is_the_sum_over_bins_of_difference_times_logarithm() -> None:
    half = Histogram((1.0,), (0.5, 0.5))
    assert half.index([0.0] * 8 + [1.0] * 2) == pytest.approx(0.3 * math.log(1.6) - 0.3 * math.log(0.4))


def test_a_value_at_an_edge_lies_above_it() -> None:
    assert Histogram((1.0,), (0.0, 1.0)).index([1.0]) == pytest.approx(0.0, abs=1e-3)


def test_missing_values_are_a_bin_of_their_own() -> None:
    seldom = Histogram((1.0,), (0.4, 0.4))
    assert seldom.index([0.0] * 4 + [2.0] * 4 + [None] * 2) == pytest.approx(0.0)
    assert seldom.index([0.0] * 5 + [2.0] * 5) > 1


def test_what_moved_past_every_edge_is_finite_and_far_above_any_threshold() -> None:
    assert 1 < DECILES.index([100.0] * 50) < 20


@pytest.mark.parametrize(
    "document",
    [None, {}, {"edges": [1], "shares": [1]}, {"edges": [2, 1], "shares": [0, 1, 0]}, {"edges": [], "shares": ["x"]}],
)
def test_a_reference_that_cannot_be_read_is_refused(document: object) -> None:
    with pytest.raises(ReferenceError):
        Reference.read({"probability": document, "inputs": {}})

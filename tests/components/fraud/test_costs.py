import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from components.fraud.costs import (
    ACCEPT,
    COSTS,
    DECLINE,
    REVIEW,
    Costs,
    CostsError,
    choose_thresholds,
    decide,
    decision_costs,
)

CARD = Costs(missed_minor=None, review_minor=250, declined_share=0.05, declined_minor=500)
FIXED = Costs(missed_minor=10_000, review_minor=500, declined_share=0.0, declined_minor=2_000)


def test_each_way_to_be_wrong_has_its_price() -> None:
    decision = [ACCEPT, ACCEPT, REVIEW, REVIEW, DECLINE, DECLINE]
    fraud = [0, 1, 0, 1, 0, 1]
    amount = [8_000] * 6
    np.testing.assert_allclose(decision_costs(decision, fraud, amount, CARD), [0, 8_000, 250, 250, 900, 0])
    np.testing.assert_allclose(decision_costs(decision, fraud, None, FIXED), [0, 10_000, 500, 500, 2_000, 0])


def test_a_threshold_includes_the_probability_it_names() -> None:
    assert decide([0.1, 0.2, 0.5, 0.9], 0.2, 0.9).tolist() == [ACCEPT, REVIEW, REVIEW, DECLINE]


rows = st.lists(
    st.tuples(st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.5, 0.9, 1.0]), st.integers(0, 50_000)), min_size=1, max_size=25
)


@settings(deadline=None, max_examples=150)
@given(rows, st.sampled_from([CARD, FIXED, *COSTS.values()]))
def test_no_other_pair_of_thresholds_is_expected_to_cost_less(table: list[tuple[float, int]], costs: Costs) -> None:
    probability, amount = (np.array(column) for column in zip(*table, strict=True))
    chosen = choose_thresholds(probability, amount, costs)
    assert 0 <= chosen.review <= chosen.decline <= 1

    def expected(low: float, high: float) -> float:
        decision = decide(probability, low, high)
        as_fraud, as_genuine = (decision_costs(decision, np.full(len(amount), f), amount, costs) for f in (1, 0))
        return float((probability * as_fraud + (1 - probability) * as_genuine).mean())

    bounds = [0.0, *((np.unique(probability)[:-1] + np.unique(probability)[1:]) / 2), 1.01]
    everything = [expected(low, high) for low, high in itertools.combinations_with_replacement(bounds, 2)]
    assert chosen.cost_minor == pytest.approx(min(everything), abs=1e-6)
    if (probability < 1).all():
        assert expected(chosen.review, chosen.decline) == pytest.approx(chosen.cost_minor, abs=1e-6)


def test_where_nothing_is_suspicious_nobody_is_stopped() -> None:
    chosen = choose_thresholds([0.0, 0.0001, 0.0002], [100, 100, 100], CARD)
    assert (chosen.review, chosen.decline) == (1.0, 1.0)
    assert chosen.cost_minor == pytest.approx(0.01)


def test_a_payment_is_reviewed_where_its_risk_is_worth_the_fee() -> None:
    probability, amount = np.linspace(0.0, 0.2, 2001), np.full(2001, 5_000)
    assert choose_thresholds(probability, amount, CARD).review == pytest.approx(250 / 5_000, abs=1e-4)


def test_amounts_that_are_needed_and_missing_are_asked_for() -> None:
    with pytest.raises(CostsError, match="pass amount_minor"):
        choose_thresholds([0.1], None, CARD)
    with pytest.raises(CostsError, match="review_minor must be finite and not negative, got -1"):
        Costs(None, -1, 0.0, 0)
    with pytest.raises(CostsError, match="between 0 and 1"):
        choose_thresholds([np.nan], [1], CARD)

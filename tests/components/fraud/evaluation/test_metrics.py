"""Scores against scikit-learn's and against days worked out by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from components.fraud.evaluation.metrics import Ranking, calibration, card_precision

NEVER = np.datetime64("NaT")


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 60), st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_weighted_scores_are_those_of_scikit_learn_also_where_probabilities_tie(n: int, seed: int, steps: int) -> None:
    generator = np.random.default_rng(seed)
    probability = generator.integers(0, steps + 1, n) / steps
    fraud = np.append(generator.random(n - 2) < 0.3, [True, False])
    weights = generator.integers(0, 4, n).astype(float) + 0.5

    area, precision = Ranking.of(probability, fraud).scores(weights)

    assert area == pytest.approx(roc_auc_score(fraud, probability, sample_weight=weights))
    assert precision == pytest.approx(average_precision_score(fraud, probability, sample_weight=weights))


def test_scores_of_one_class_alone_are_not_a_number() -> None:
    area, precision = Ranking.of([0.1, 0.9], [True, True]).scores()

    assert np.isnan(area) and np.isnan(precision)


def test_probabilities_that_say_what_happens_have_a_small_calibration_error_and_doubled_ones_a_large_one() -> None:
    generator = np.random.default_rng(1)
    probability = generator.uniform(0, 0.4, 100_000)
    fraud = generator.random(100_000) < probability

    assert calibration(probability, fraud).error < 0.01
    assert calibration(probability * 2, fraud).error == pytest.approx(0.2, abs=0.01)
    assert calibration(probability, fraud).rows.sum() == 100_000


def test_bins_of_equal_expected_frauds_hold_frauds_each_where_frauds_are_rare() -> None:
    generator = np.random.default_rng(2)
    probability = generator.beta(0.05, 5.0, 50_000)
    fraud = generator.random(50_000) < probability

    curve = calibration(probability, fraud, 8, by_expected_frauds=True)

    assert len(curve.rows) == 8
    np.testing.assert_allclose(curve.predicted * curve.rows, probability.sum() / 8, rtol=0.05)
    np.testing.assert_allclose(curve.observed, curve.predicted, rtol=0.35)


def days(*numbers: int) -> "np.ndarray[tuple[int], np.dtype[np.datetime64]]":
    return np.datetime64("2026-01-01T12:00", "us") + np.array(numbers) * np.timedelta64(1, "D")


def test_card_precision_looks_at_the_most_suspicious_cards_of_each_day() -> None:
    probability = np.array([0.9, 0.8, 0.1, 0.7, 0.2])
    fraud = np.array([1, 0, 0, 0, 1])
    ds = days(0, 0, 0, 1, 1)
    never = np.full(5, NEVER, dtype="datetime64[us]")

    one = card_precision(probability, fraud, np.arange(5), ds, never, alerts=1)
    two = card_precision(probability, fraud, np.arange(5), ds, never, alerts=2)

    assert one == pytest.approx((1 + 0) / 2)
    assert two == pytest.approx((0.5 + 0.5) / 2)


def test_a_card_counts_once_a_day_with_its_highest_probability() -> None:
    precision = card_precision(
        np.array([0.1, 0.9, 0.5]),
        np.array([1, 0, 0]),
        np.array([7, 7, 8]),
        days(0, 0, 0),
        np.full(3, NEVER, dtype="datetime64[us]"),
        alerts=1,
    )

    assert precision == 1.0


def test_cards_known_to_be_compromised_are_left_out_from_the_day_after_they_are_known() -> None:
    probability, fraud = np.array([0.9, 0.5, 0.9, 0.5]), np.array([1, 0, 1, 0])
    customer, ds = np.array([1, 2, 1, 2]), days(0, 0, 1, 1)
    during_the_first = np.where(customer == 1, np.datetime64("2026-01-01T18:00"), NEVER).astype("datetime64[us]")
    before = np.where(customer == 1, np.datetime64("2025-12-31"), NEVER).astype("datetime64[us]")

    assert card_precision(probability, fraud, customer, ds, during_the_first, alerts=1) == 0.5
    assert card_precision(probability, fraud, customer, ds, before, alerts=1) == 0.0


def test_a_card_that_an_alert_found_is_left_out_on_later_days() -> None:
    never = np.full(4, NEVER, dtype="datetime64[us]")

    found = card_precision(
        np.array([0.9, 0.5, 0.9, 0.5]),
        np.array([1, 0, 1, 0]),
        np.array([1, 2, 1, 2]),
        days(0, 0, 1, 1),
        never,
        alerts=1,
    )

    assert found == 0.5

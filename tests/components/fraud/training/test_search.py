import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from components.fraud.training import search as module
from components.fraud.training.learner import fraud_weights, recipe
from components.fraud.training.rows import Rows
from components.fraud.training.search import search
from components.fraud.training.statistics import histogram, input_statistics


def rows(count: int, seed: int) -> Rows:
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 5)).astype(np.float32)
    fraud = (2 * features[:, 0] + random.normal(size=count) > 2.5).astype(np.int8)
    return Rows(features, fraud)


def test_the_first_trial_has_the_defaults_and_the_best_one_is_fitted() -> None:
    how, train, stop = recipe("random_forest"), rows(1500, 0), rows(600, 1)
    found = search(how, train, stop, trials=3, seed=0)
    assert [trial.number for trial in found.trials] == [0, 1, 2]
    assert found.trials[0].settings == pytest.approx(dict(how.defaults))
    assert found.best.average_precision == max(trial.average_precision for trial in found.trials)
    score = average_precision_score(stop.fraud, found.fitted.margin(stop.features))
    assert score == pytest.approx(found.best.average_precision)
    again = search(how, train, stop, trials=3, seed=0)
    assert [trial.settings for trial in again.trials] == [trial.settings for trial in found.trials]


def test_a_search_on_a_sample_keeps_every_fraud_and_fits_the_chosen_settings_on_all_rows(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SEARCH_ROWS", 600)
    how, train, stop = recipe("xgboost"), rows(1500, 0), rows(600, 1)
    sample = module._sample(train, seed=0)
    assert len(sample) == 600
    assert (sample.fraud == 1).sum() == (train.fraud == 1).sum()
    found = search(how, train, stop, trials=1, seed=0)
    whole = how.fit(train.features, train.fraud, stop.features, stop.fraud, how.defaults, 0)
    np.testing.assert_array_equal(found.fitted.margin(stop.features), whole.margin(stop.features))


def test_a_weight_of_power_one_makes_both_classes_weigh_the_same() -> None:
    fraud = np.array([1, 0, 0, 0, 0, 0, 0, 0, 1, 0])
    weights = fraud_weights(fraud, 1.0)
    assert weights[fraud == 1].sum() == weights[fraud == 0].sum() == 8
    assert fraud_weights(fraud, 0.0).tolist() == [1.0] * 10


def test_shares_of_a_histogram_are_those_of_the_rows_that_have_a_value() -> None:
    values = np.concatenate([np.arange(90.0), np.full(10, np.nan)])
    found = histogram(values)
    assert len(found["shares"]) == len(found["edges"]) + 1 == 10
    assert found["shares"] == pytest.approx([0.09] * 10)
    assert histogram(np.zeros(5)) == {"edges": [0.0], "shares": [0.0, 1.0]}
    assert histogram(np.full(3, np.nan)) == {"edges": [], "shares": [0.0]}


def test_input_statistics_leave_missing_values_out_and_count_them() -> None:
    features = np.array([[1.0, np.nan], [3.0, np.nan]], dtype=np.float32)
    found = input_statistics(features, ("a", "b"))
    assert (found["a"]["mean"], found["a"]["missing"]) == (2.0, 0.0)
    assert (found["b"]["mean"], found["b"]["missing"]) == (0.0, 1.0)

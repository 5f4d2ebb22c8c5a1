import numpy as np
import pytest

from components.fraud.training.anomaly import LEVELS, fit_anomaly
from components.fraud.training.attack_classes import ATTACKS, fit_classes
from components.fraud.training.calibration import Calibration, fit_calibration
from components.fraud.training.errors import ExportError, TrainingError
from components.fraud.training.graph import build_graph
from components.fraud.training.learner import LEARNERS, Learner, recipe
from components.fraud.training.rows import Rows
from components.fraud.training.verify import Graph, originals, verify

FEATURES = 9


def rows(count: int, seed: int, *, missing: float = 0.2) -> Rows:
    """Rows whose fraud depends on two features and on a third being missing; some columns hold whole numbers."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, FEATURES)).astype(np.float32)
    features[:, 3] = random.integers(0, 5, count)
    features[:, 4] = np.exp(6 * features[:, 4])
    odds = features[:, 0] + features[:, 3] - 4.0 + random.normal(size=count)
    hidden = random.random(count) < missing
    features[hidden, 1] = np.nan
    fraud = (odds + 1.5 * hidden > 0).astype(np.int8)
    classes = np.array(ATTACKS)[np.digitize(features[:, 0], [-0.3, 0.4, 1.0])]
    return Rows(features, fraud, attack_class=np.where(fraud == 1, classes, "normal"))


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_graph_gives_the_probabilities_of_the_original(learner: Learner, missing: float) -> None:
    train, stop, fresh = rows(3000, 0, missing=missing), rows(800, 1, missing=missing), rows(1500, 2, missing=0.3)
    how = recipe(learner)
    fitted = how.fit(train.features, train.fraud, stop.features, stop.fraud, how.defaults, 0)
    calibration = fit_calibration(fitted.margin(stop.features), stop.fraud)
    graph = build_graph(fitted, calibration, FEATURES)
    assert verify(graph, originals(fitted, calibration, None, None, fresh.features), fresh.features) < 1e-6

    # On the very thresholds of the trees, and next to them, a row must go the way that the original sends it.
    edges = fresh.features[:1]
    used = (fitted.trees.left >= 0) & np.isfinite(fitted.trees.threshold)
    on = np.repeat(edges, 600, axis=0)
    for place in range(600):
        node = np.flatnonzero(used)[place % int(used.sum())]
        value = fitted.trees.threshold[node]
        on[place, fitted.trees.feature[node]] = (value, np.nextafter(value, np.float32(np.inf)))[place % 2]
    assert verify(graph, originals(fitted, calibration, None, None, on), on) < 1e-6


@pytest.mark.parametrize("learner", LEARNERS)
def test_class_probabilities_sum_to_one_and_agree_with_the_probability(learner: Learner) -> None:
    train, stop = rows(3000, 0, missing=0.0), rows(800, 1, missing=0.0)
    train.features[:, :3] = np.abs(train.features[:, :3])
    flows = [Rows(np.abs(r.features), r.fraud, attack_class=r.attack_class) for r in (train, stop)]
    how = recipe(learner)
    fitted = how.fit(flows[0].features, flows[0].fraud, flows[1].features, flows[1].fraud, how.defaults, 0)
    calibration = fit_calibration(fitted.margin(flows[1].features), flows[1].fraud)
    classes = fit_classes(flows[0], learner, 0)
    anomaly = fit_anomaly(flows[0].features[flows[0].fraud == 0], flows[1].features[flows[1].fraud == 0], 0)
    graph = build_graph(fitted, calibration, FEATURES, classes, anomaly)
    features = flows[1].features
    verify(graph, originals(fitted, calibration, classes, anomaly, features), features)
    answers = Graph(graph)(features)
    np.testing.assert_allclose(answers["class_probabilities"].sum(axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(1.0 - answers["class_probabilities"][:, 0], answers["probability"], atol=1e-6)
    strangest = answers["class_probabilities"][flows[1].fraud == 1, 1:].argmax(axis=1)
    known = np.array([ATTACKS.index(name) for name in flows[1].attack_class[flows[1].fraud == 1]])
    assert (strangest == known).mean() > 0.8


def test_anomaly_is_the_share_of_normal_rows_that_are_less_strange() -> None:
    random = np.random.default_rng(0)
    normal, other = (np.exp(random.normal(size=(4000, 4))).astype(np.float32) for _ in range(2))
    anomaly = fit_anomaly(normal, other, seed=0)
    scores = anomaly.score(other)
    for share in (0.5, 0.9, 0.99):
        assert (scores <= share).mean() == pytest.approx(share, abs=0.005)
    assert scores.max() == 1.0
    assert anomaly.score(np.full((1, 4), 1e6, dtype=np.float32)).tolist() == [1.0]
    assert len(anomaly.knots) == len(LEVELS)


def test_path_lengths_are_those_of_the_library() -> None:
    from sklearn.ensemble import IsolationForest

    from components.fraud.training.anomaly import _path_lengths, mean_value

    features = np.random.default_rng(0).normal(size=(600, 5)).astype(np.float32)
    forest = IsolationForest(n_estimators=20, max_samples=128, random_state=0).fit(features)
    denominator = 2.0 * (np.log(127.0) + np.euler_gamma) - 2.0 * 127.0 / 128.0
    expected = -np.log2(-forest.score_samples(features)) * denominator
    np.testing.assert_allclose(mean_value(_path_lengths(forest), features), expected, atol=1e-6)


def test_a_graph_that_is_not_the_model_is_refused() -> None:
    train, stop = rows(1000, 0), rows(500, 1)
    how = recipe("random_forest")
    fitted = how.fit(train.features, train.fraud, stop.features, stop.fraud, how.defaults, 0)
    graph = build_graph(fitted, Calibration(1.0, 0.0, 1, 1), FEATURES)
    other = Calibration(1.0, 0.001, 1, 1)
    with pytest.raises(ExportError, match="differ by .* in probability at batch 1"):
        verify(graph, originals(fitted, other, None, None, stop.features), stop.features)


def test_calibration_brings_probabilities_back_to_what_happens() -> None:
    random = np.random.default_rng(0)
    truth = random.normal(size=40_000) * 2 - 3
    fraud = random.random(40_000) < 1 / (1 + np.exp(-truth))
    found = fit_calibration(2.0 * truth + 4.0, fraud)
    assert (found.slope, found.intercept) == (pytest.approx(0.5, abs=0.03), pytest.approx(-2.0, abs=0.1))
    with pytest.raises(TrainingError, match="a higher score does not mean more fraud"):
        fit_calibration(-truth, fraud)
    with pytest.raises(TrainingError, match="got 0 frauds among 3 rows"):
        fit_calibration(np.zeros(3), np.zeros(3))

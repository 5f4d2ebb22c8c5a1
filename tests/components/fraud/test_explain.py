from pathlib import Path

import numpy as np
import pytest

from components.fraud.explain import Explainer, ExplainError
from components.fraud.training.learner import LEARNERS, Learner, recipe
from components.fraud.trees import Trees, TreesError


def world(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, 6)).astype(np.float32)
    features[random.random(features.shape) < 0.1] = np.nan
    fraud = (2 * np.nan_to_num(features[:, 2]) + random.normal(size=count) > 1.5).astype(np.int8)
    return features, fraud


@pytest.mark.parametrize("learner", LEARNERS)
def test_expected_and_contributions_add_up_to_the_uncalibrated_score(learner: Learner, tmp_path: Path) -> None:
    features, fraud = world(0, 2000)
    how = recipe(learner)
    fitted = how.fit(features, fraud, *world(1, 500), how.defaults, 0)
    fitted.save(tmp_path)
    explainer = Explainer(tmp_path, learner)
    rows, _ = world(2, 64)
    added, expected = explainer.contributions(rows)
    assert added.shape == rows.shape
    assert (added.dtype, expected.dtype) == (np.float32, np.float32)
    wanted = fitted.margin(rows) if explainer.unit == "log_odds" else fitted.score(rows)
    np.testing.assert_allclose(expected + added.sum(axis=1), wanted, atol=2e-6 if learner == "random_forest" else 2e-5)
    assert explainer.unit == fitted.unit
    assert np.abs(added).mean(axis=0).argmax() == 2
    alone, _ = explainer.contributions(rows[:1])
    np.testing.assert_allclose(alone[0], added[0], atol=1e-6)


def test_a_forest_is_read_from_arrays_and_no_pickle_is_opened(tmp_path: Path) -> None:
    np.savez(tmp_path / "forest.npz", starts=np.array([object()], dtype=object))
    with pytest.raises((TreesError, ValueError)):
        Explainer(tmp_path, "random_forest")
    (tmp_path / "other").mkdir()
    np.savez(tmp_path / "other" / "forest.npz", starts=np.zeros(1))
    with pytest.raises(TreesError, match="lacks the arrays left, right"):
        Explainer(tmp_path / "other", "random_forest")


def test_trees_survive_their_file(tmp_path: Path) -> None:
    features, fraud = world(0, 500)
    how = recipe("random_forest")
    fitted = how.fit(features, fraud, features, fraud, how.defaults, 0)
    fitted.save(tmp_path)
    read = Trees.load(tmp_path / "forest.npz")
    np.testing.assert_array_equal(read.threshold, fitted.trees.threshold)
    assert len(read) == len(fitted.trees) == 100


def test_what_cannot_be_explained_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExplainError, match="no learner 'svm'; choose one of xgboost, random_forest"):
        Explainer(tmp_path, "svm")
    with pytest.raises(ExplainError, match=r"holds no model\.ubj"):
        Explainer(tmp_path, "xgboost")
    features, fraud = world(0, 300)
    how = recipe("xgboost")
    how.fit(features, fraud, features, fraud, how.defaults, 0).save(tmp_path)
    with pytest.raises(ExplainError, match=r"expected features \(rows, 6\), got \(2, 5\)"):
        Explainer(tmp_path, "xgboost").contributions(np.zeros((2, 5), dtype=np.float32))

"""Which attack it is, if it is one: a model of the attacks alone, joined with the probability of an attack.

`class_probabilities` are 1 - p for normal and p times the class's share for every attack, so that they always sum to 1
and agree with the calibrated probability p.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from components.fraud.network.fields import ATTACK_CLASSES
from components.fraud.training.errors import TrainingError
from components.fraud.training.learner import Float32Array, FloatArray, Learner, threads
from components.fraud.training.rows import Rows
from components.fraud.trees import Trees, of_sklearn, of_xgboost

ATTACKS = ATTACK_CLASSES[1:]
ROUNDS, DEPTH = 40, 5
FOREST_TREES, FOREST_DEPTH, FOREST_LEAF = 60, 12, 3


@dataclass(frozen=True)
class ClassModel:
    """Shares of the attack classes: softmax of the trees' sums (XGBoost) or their mean (forest)."""

    trees: Trees
    softmax: bool
    model: Any

    def shares(self, features: Float32Array) -> FloatArray:
        """Probability of every class of `ATTACKS` for rows that are attacks, [N, C - 1], by the original library."""
        if self.softmax:
            import xgboost

            return np.asarray(self.model.predict(xgboost.DMatrix(features, nthread=1)), dtype=np.float64)
        return np.asarray(self.model.predict_proba(features), dtype=np.float64)

    def probabilities(self, features: Float32Array, probability: FloatArray) -> FloatArray:
        """`class_probabilities` [N, C] in the order of `ATTACK_CLASSES`."""
        shares = self.shares(features) * probability[:, None]
        return np.concatenate([1.0 - probability[:, None], shares], axis=1)


def fit_classes(train: Rows, learner: Learner, seed: int) -> ClassModel:
    """Fit on the attacks among the training rows; every class weighs by the square root of its rows.

    Raises:
        TrainingError: The rows have no attack classes, or one of them has no rows.
    """
    attacks = train[train.fraud == 1]
    if attacks.attack_class is None:
        raise TrainingError("flows need a column 'attack_class'; build the table again")
    code = np.array([ATTACKS.index(name) for name in attacks.attack_class])
    counts = np.bincount(code, minlength=len(ATTACKS))
    if not counts.all():
        raise TrainingError(
            f"every attack class needs rows to learn from, got {dict(zip(ATTACKS, counts.tolist(), strict=True))}"
        )
    weights = 1.0 / np.sqrt(counts[code])
    weights /= weights.mean()
    if learner == "xgboost":
        return _boosted(attacks.features, code, weights, seed)
    return _forest(attacks.features, code, weights, seed)


def _boosted(features: Float32Array, code: npt.NDArray[np.int64], weights: FloatArray, seed: int) -> ClassModel:
    import json

    import xgboost

    settings = {"objective": "multi:softprob", "num_class": len(ATTACKS), "max_depth": DEPTH, "learning_rate": 0.15}
    shared = {"min_child_weight": 1.0, "base_score": 0.5, "seed": seed, "nthread": threads()}
    data = xgboost.QuantileDMatrix(features, code, weight=weights, nthread=threads())
    model = xgboost.train({**settings, **shared}, data, num_boost_round=ROUNDS)
    model.set_param({"nthread": 1})
    return ClassModel(of_xgboost(json.loads(bytes(model.save_raw("json")))), True, model)


def _forest(features: Float32Array, code: npt.NDArray[np.int64], weights: FloatArray, seed: int) -> ClassModel:
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(
        FOREST_TREES, max_depth=FOREST_DEPTH, min_samples_leaf=FOREST_LEAF, random_state=seed, n_jobs=-1
    )
    model.fit(features, code, sample_weight=weights)
    model.set_params(n_jobs=1)
    return ClassModel(
        of_sklearn(model.estimators_, [tree.tree_.value[:, 0, :] for tree in model.estimators_]), False, model
    )

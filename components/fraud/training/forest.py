"""Random forests by scikit-learn, bounded so that explaining one row stays affordable.

TreeSHAP visits every leaf of every tree for every row, so that depth and leaves are what an explanation costs.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.fraud.training.learner import (
    Fitted,
    Float32Array,
    FloatArray,
    Labels,
    Recipe,
    Settings,
    Unit,
    fraud_weights,
)
from components.fraud.trees import Trees, of_sklearn

if TYPE_CHECKING:
    import optuna
    from sklearn.ensemble import RandomForestClassifier

MODEL = "forest.npz"
SMALLEST = 1e-6
"""Probabilities are kept this far from 0 and 1 before their log odds are taken; the exported graph does the same."""

MAX_ROWS_A_TREE = 50_000
"""A tree is grown on a bootstrap sample of at most so many rows; the forest sees all of them, a tree has no need to."""

DEFAULTS: Settings = {
    "n_estimators": 100,
    "max_depth": 12,
    "min_samples_leaf": 10,
    "max_features": 0.2,
    "max_samples": 0.7,
    "weight_power": 0.25,
}


@dataclass(frozen=True)
class Forest:
    """A fitted forest of two classes."""

    model: "RandomForestClassifier"
    unit: Unit = "probability"

    @cached_property
    def trees(self) -> Trees:
        """Its trees; their mean is the probability."""
        return of_sklearn(self.model.estimators_, [tree.tree_.value[:, 0, 1:] for tree in self.model.estimators_])

    @property
    def learned(self) -> Mapping[str, float]:
        """Its size."""
        return {"leaves": float((self.trees.left < 0).sum())}

    def score(self, features: Float32Array) -> FloatArray:
        """Uncalibrated probability of fraud, [N]."""
        return np.asarray(self.model.predict_proba(features)[:, 1], dtype=np.float64)

    def margin(self, features: Float32Array) -> FloatArray:
        """Log odds, [N]."""
        return log_odds(self.score(features))

    def save(self, native: Path) -> None:
        """Write `forest.npz`."""
        self.trees.save(native / MODEL)


def log_odds(probability: FloatArray) -> FloatArray:
    """Log odds of probabilities, kept finite."""
    inside = np.clip(probability, SMALLEST, 1.0 - SMALLEST)
    return np.asarray(np.log(inside / (1.0 - inside)))


def fit(
    features: Float32Array,
    fraud: Labels,
    stop_features: Float32Array,
    stop_fraud: Labels,
    settings: Settings,
    seed: int,
) -> Fitted:
    """Grow a forest; it has nothing to stop early."""
    from sklearn.ensemble import RandomForestClassifier

    chosen = dict(settings)
    weights = fraud_weights(fraud, float(chosen.pop("weight_power")))
    rows = max(1, min(round(float(chosen.pop("max_samples")) * len(features)), MAX_ROWS_A_TREE))
    model = RandomForestClassifier(**chosen, max_samples=rows, random_state=seed, n_jobs=-1)
    model.fit(features, fraud, sample_weight=weights)
    model.set_params(n_jobs=1)
    return Forest(model)


def suggest(trial: "optuna.Trial") -> Settings:
    """The space that a search looks through."""
    return {
        "n_estimators": int(DEFAULTS["n_estimators"]),
        "max_depth": trial.suggest_int("max_depth", 6, 14),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 5, 60, log=True),
        "max_features": trial.suggest_float("max_features", 0.1, 0.5),
        "max_samples": trial.suggest_float("max_samples", 0.3, 0.95),
        "weight_power": trial.suggest_float("weight_power", 0.0, 0.8),
    }


RECIPE = Recipe(DEFAULTS, suggest, fit)

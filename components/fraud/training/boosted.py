"""Gradient-boosted trees by XGBoost."""

import json
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
    threads,
)
from components.fraud.trees import Trees, of_xgboost

if TYPE_CHECKING:
    import optuna
    import xgboost

MODEL = "model.ubj"
MAX_ROUNDS = 600
PATIENCE_ROUNDS = 40

DEFAULTS: Settings = {
    "max_depth": 6,
    "learning_rate": 0.08,
    "min_child_weight": 5.0,
    "subsample": 0.8,
    "colsample_bytree": 0.7,
    "reg_lambda": 2.0,
    "weight_power": 0.25,
}


@dataclass(frozen=True)
class Boosted:
    """A booster, cut after its best round."""

    booster: "xgboost.Booster"
    unit: Unit = "log_odds"

    @cached_property
    def trees(self) -> Trees:
        """Its trees; their sum is the log odds."""
        return of_xgboost(json.loads(bytes(self.booster.save_raw("json"))))

    @property
    def learned(self) -> Mapping[str, float]:
        """The rounds that were kept."""
        return {"rounds": float(self.booster.num_boosted_rounds())}

    def margin(self, features: Float32Array) -> FloatArray:
        """Log odds, [N]."""
        import xgboost

        given = xgboost.DMatrix(features, nthread=1)
        return np.asarray(self.booster.predict(given, output_margin=True), dtype=np.float64)

    def score(self, features: Float32Array) -> FloatArray:
        """Uncalibrated probability of fraud, [N]."""
        import xgboost

        return np.asarray(self.booster.predict(xgboost.DMatrix(features, nthread=1)), dtype=np.float64)

    def save(self, native: Path) -> None:
        """Write `model.ubj`."""
        self.booster.save_model(native / MODEL)


def fit(
    features: Float32Array,
    fraud: Labels,
    stop_features: Float32Array,
    stop_fraud: Labels,
    settings: Settings,
    seed: int,
) -> Fitted:
    """Boost until the stop slice's weighted log loss has not fallen for 40 rounds, at most 600."""
    import xgboost

    chosen = dict(settings)
    power, limit = float(chosen.pop("weight_power")), int(chosen.pop("rounds", MAX_ROUNDS))
    weights = fraud_weights(fraud, power)
    heaviest = float(weights.max())
    stop_weights = np.where(np.asarray(stop_fraud) == 1, heaviest, 1.0)
    train = xgboost.QuantileDMatrix(features, fraud, weight=weights, nthread=threads())
    stop = xgboost.QuantileDMatrix(stop_features, stop_fraud, weight=stop_weights, ref=train, nthread=threads())
    booster = xgboost.train(
        # A base score of one half is no log odds at all: the trees alone add up to the margin.
        {**chosen, "objective": "binary:logistic", "base_score": 0.5, "seed": seed, "nthread": threads()},
        train,
        num_boost_round=limit,
        evals=[(stop, "stop")],
        early_stopping_rounds=PATIENCE_ROUNDS,
        verbose_eval=False,
    )
    kept = booster[: booster.best_iteration + 1]
    kept.set_param({"nthread": 1})
    return Boosted(kept)


def suggest(trial: "optuna.Trial") -> Settings:
    """The space that a search looks through."""
    return {
        "max_depth": trial.suggest_int("max_depth", 3, 9),
        "learning_rate": trial.suggest_float("learning_rate", 0.03, 0.2, log=True),
        "min_child_weight": trial.suggest_float("min_child_weight", 1.0, 50.0, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.4, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 0.3, 30.0, log=True),
        "weight_power": trial.suggest_float("weight_power", 0.0, 0.8),
    }


RECIPE = Recipe(DEFAULTS, suggest, fit)

"""Why a score is what it is: TreeSHAP of the native model (Lundberg et al. 2020), path dependent.

    score = expected + sum of the contributions,

in log odds for XGBoost and in probability for the forest, both before calibration, which is monotone and changes no
sign. Cheap enough for one row at a time; a forest is read from plain arrays, so that no pickle is ever opened.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from components.fraud.trees import Trees

Float32Array = npt.NDArray[np.float32]

Explain = Callable[[Float32Array], tuple[npt.NDArray[Any], npt.NDArray[Any]]]

UNITS: dict[str, Literal["log_odds", "probability"]] = {"xgboost": "log_odds", "random_forest": "probability"}
"""What a learner's contributions add up to: `contribution_unit`."""


class ExplainError(ValueError):
    """The folder holds no model that can be explained, or rows that do not fit it."""


class Explainer:
    """Explanations of one native model; one thread, not to be shared by threads."""

    def __init__(self, native: Path, learner: str) -> None:
        """Open a bundle's `native/` folder.

        Raises:
            ExplainError: There is no such learner, or its model is not in the folder.
        """
        if learner not in UNITS:
            raise ExplainError(f"no learner {learner!r}; choose one of {', '.join(UNITS)}")
        path = native / ("model.ubj" if learner == "xgboost" else "forest.npz")
        if not path.is_file():
            raise ExplainError(f"{native} holds no {path.name}, which explanations of {learner} need; release it again")
        self.unit = UNITS[learner]
        self._explain = _xgboost(path) if learner == "xgboost" else _forest(path)

    def contributions(self, features: Float32Array) -> tuple[Float32Array, Float32Array]:
        """What every feature adds, float32 [N, F], and the score of a row of which nothing is known, float32 [N].

        Raises:
            ExplainError: Rows of another width than the model's.
        """
        rows = np.ascontiguousarray(features, dtype=np.float32)
        added, expected = self._explain(rows)
        return added.astype(np.float32), np.broadcast_to(expected, len(rows)).astype(np.float32)


def _xgboost(path: Path) -> Explain:
    import xgboost

    booster = xgboost.Booster({"nthread": 1}, model_file=path)

    def explain(rows: Float32Array) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        _check_width(rows, booster.num_features())
        found = booster.predict(xgboost.DMatrix(rows, nthread=1), pred_contribs=True)
        return found[:, :-1], found[:, -1]

    return explain


def _forest(path: Path) -> Explain:
    import shap

    trees = Trees.load(path)
    explainer = shap.TreeExplainer({"trees": _shap_trees(trees)}, feature_perturbation="tree_path_dependent")

    def explain(rows: Float32Array) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        _check_width(rows, int(trees.width))
        found = explainer.shap_values(rows.astype(np.float64), check_additivity=False)
        return found, np.asarray(explainer.expected_value, dtype=np.float64).reshape(-1)[:1]

    return explain


def _shap_trees(trees: Trees) -> list[dict[str, npt.NDArray[Any]]]:
    """The form of trees that shap reads; it adds trees up, so that each has its share of the mean in its leaves."""
    found = []
    for span in trees.spans():
        left, right = trees.left[span], trees.right[span]
        found.append(
            {
                "children_left": left,
                "children_right": right,
                "children_default": np.where(trees.missing_left[span], left, right),
                "features": trees.feature[span],
                "thresholds": trees.threshold[span].astype(np.float64),
                "values": trees.value[span] / len(trees),
                "node_sample_weight": trees.cover[span],
            }
        )
    return found


def _check_width(rows: Float32Array, width: int) -> None:
    if rows.ndim != 2 or rows.shape[1] != width:
        raise ExplainError(f"expected features (rows, {width}), got {rows.shape}")

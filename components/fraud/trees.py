"""Decision trees as plain arrays: what a forest is saved, exported and explained as.

A row goes left where its value is at most the threshold (XGBoost: less than it). Thresholds are float32 like the rows,
rounded towards the side that sends every float32 the way the original sends it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from sklearn.tree import BaseDecisionTree

Array = npt.NDArray[Any]

LEAF = -1


class TreesError(ValueError):
    """The file holds no trees, or the arrays do not fit one another."""


@dataclass(frozen=True)
class Trees:
    """Trees laid end to end; indices of nodes are their own tree's.

    Attributes:
        starts: int64 [T + 1], where each tree's nodes begin.
        left: int32 [nodes]; -1 in a leaf.
        right: int32 [nodes]; -1 in a leaf.
        feature: int32 [nodes].
        threshold: float32 [nodes].
        missing_left: bool [nodes], where a missing value goes.
        value: float64 [nodes, K]; in the leaves of XGBoost's multi-class trees all but one of the K are zero.
        cover: float64 [nodes], the weight of the training rows that came through.
        inclusive: bool [], whether a value equal to the threshold goes left.
        width: int64 [], how many features a row has.
    """

    starts: Array
    left: Array
    right: Array
    feature: Array
    threshold: Array
    missing_left: Array
    value: Array
    cover: Array
    inclusive: Array
    width: Array

    def __len__(self) -> int:
        return len(self.starts) - 1

    def spans(self) -> Iterator[slice]:
        """Where each tree's nodes lie."""
        for start, end in zip(self.starts[:-1], self.starts[1:], strict=True):
            yield slice(int(start), int(end))

    def save(self, path: Path) -> None:
        """Write every array to one `.npz`."""
        np.savez_compressed(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "Trees":
        """Read what `save` wrote; nothing in the file is ever executed.

        Raises:
            TreesError: An array is missing.
        """
        with np.load(path, allow_pickle=False) as stored:
            missing = [field.name for field in fields(cls) if field.name not in stored]
            if missing:
                raise TreesError(f"{path} lacks the arrays {', '.join(missing)}; train the forest again")
            return cls(**{field.name: stored[field.name] for field in fields(cls)})


def join(parts: Sequence[Mapping[str, Array]], *, inclusive: bool, width: int) -> Trees:
    """Trees from one mapping of arrays a tree, named as in `Trees`."""
    starts = np.concatenate([[0], np.cumsum([len(part["left"]) for part in parts])]).astype(np.int64)
    names = [field.name for field in fields(Trees) if field.name not in ("starts", "inclusive", "width")]
    arrays = {name: np.concatenate([part[name] for part in parts]) for name in names}
    return Trees(starts=starts, inclusive=np.asarray(inclusive), width=np.asarray(width, dtype=np.int64), **arrays)


def of_sklearn(estimators: Sequence["BaseDecisionTree"], values: Sequence[Array]) -> Trees:
    """Trees of scikit-learn's estimators with the given `values` [nodes, K] of every tree."""
    parts = []
    for estimator, value in zip(estimators, values, strict=True):
        tree = estimator.tree_
        nodes = tree.__getstate__()["nodes"]
        parts.append(
            {
                "left": tree.children_left.astype(np.int32),
                "right": tree.children_right.astype(np.int32),
                "feature": np.maximum(tree.feature, 0).astype(np.int32),
                "threshold": _rounded_down(tree.threshold),
                "missing_left": nodes["missing_go_to_left"].astype(bool),
                "value": np.asarray(value, dtype=np.float64),
                "cover": tree.weighted_n_node_samples.astype(np.float64),
            }
        )
    return join(parts, inclusive=True, width=estimators[0].n_features_in_)


def of_xgboost(model: Mapping[str, Any]) -> Trees:
    """Trees of a booster's JSON document; K is 1, or the number of classes."""
    learner = model["learner"]
    classes = max(1, int(learner["learner_model_param"]["num_class"]))
    stored = learner["gradient_booster"]["model"]
    parts = []
    for tree, group in zip(stored["trees"], stored["tree_info"], strict=True):
        left = np.array(tree["left_children"], dtype=np.int32)
        conditions = np.array(tree["split_conditions"], dtype=np.float32)
        value = np.zeros((len(left), classes))
        value[:, group] = np.where(left == LEAF, conditions, 0.0)
        parts.append(
            {
                "left": left,
                "right": np.array(tree["right_children"], dtype=np.int32),
                "feature": np.array(tree["split_indices"], dtype=np.int32),
                "threshold": conditions,
                "missing_left": np.array(tree["default_left"], dtype=bool),
                "value": value,
                "cover": np.array(tree["sum_hessian"], dtype=np.float64),
            }
        )
    return join(parts, inclusive=False, width=int(learner["learner_model_param"]["num_feature"]))


def _rounded_down(thresholds: Array) -> Array:
    """The largest float32 that is at most each threshold: no float32 lies between the two."""
    near = thresholds.astype(np.float32)
    return np.where(near.astype(np.float64) > thresholds, np.nextafter(near, np.float32(-np.inf)), near)

"""How strange a flow is, whatever attacks are known: an isolation forest of normal traffic (Liu, Ting, Zhou 2008).

A row's mean path through trees that split at random is short where few rows are like it. The path is put on a scale
of 0 to 1 by the normal rows of the calibration slice: 0.99 is stranger than 99 % of them, 1 stranger than every one.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from components.fraud.training.learner import Float32Array, FloatArray
from components.fraud.trees import LEAF, Trees, of_sklearn

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

TREES = 100
ROWS_A_TREE = 512
LEVELS = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 1.0)
"""Shares of normal rows whose strangeness is kept; between them the scale is linear."""

LEAST_STEP = 1e-4
"""Knots are kept at least so far apart, in path length, so that rounding cannot move a row from one to the next."""


@dataclass(frozen=True)
class Anomaly:
    """The forest, and strangeness (minus mean path length) at every level of `LEVELS`, ascending."""

    trees: Trees
    knots: FloatArray

    def strangeness(self, features: Float32Array) -> FloatArray:
        """Minus the mean path length, [N], computed from the arrays."""
        return -mean_value(self.trees, transform(features))

    def score(self, features: Float32Array) -> FloatArray:
        """0 to 1, [N]."""
        return np.asarray(np.interp(self.strangeness(features), self.knots, LEVELS))


def fit_anomaly(normal: Float32Array, calibrate: Float32Array, seed: int) -> Anomaly:
    """Fit on normal rows [N, F] and put the result on a scale by other normal rows [M, F]."""
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(
        n_estimators=TREES, max_samples=min(ROWS_A_TREE, len(normal)), random_state=seed, n_jobs=-1
    )
    forest.fit(transform(normal))
    trees = _path_lengths(forest)
    knots = np.quantile(-mean_value(trees, transform(calibrate)), LEVELS)
    # Spread from the top down, so that the last knot stays the strangest of those rows.
    steps = LEAST_STEP * np.arange(len(LEVELS))[::-1]
    return Anomaly(trees, knots - steps)


def transform(features: Float32Array) -> Float32Array:
    """log(1 + x): counts and bytes span nine orders of magnitude, and random splits between them would miss the small.

    The exported graph does the same.
    """
    return np.asarray(np.log(np.float32(1.0) + features), dtype=np.float32)


def mean_value(trees: Trees, features: Float32Array) -> FloatArray:
    """Mean of the leaf values [N] that rows [N, F] without missing values fall into, by walking the arrays."""
    total = np.zeros(len(features))
    for span in trees.spans():
        left, right, threshold = trees.left[span], trees.right[span], trees.threshold[span]
        at = np.zeros(len(features), dtype=np.int64)
        inner = left[at] != LEAF
        while inner.any():
            rows = np.flatnonzero(inner)
            node = at[rows]
            goes_left = features[rows, trees.feature[span][node]] <= threshold[node]
            at[rows] = np.where(goes_left, left[node], right[node])
            inner[rows] = left[at[rows]] != LEAF
        total += trees.value[span][at, 0]
    return total / len(trees)


def _path_lengths(forest: "IsolationForest") -> Trees:
    """Its trees with path lengths in the leaves: depth, and what would still part the rows that share a leaf."""
    values = []
    for estimator in forest.estimators_:
        tree = estimator.tree_
        depth = np.zeros(tree.node_count)
        for node in range(tree.node_count):
            if tree.children_left[node] != LEAF:
                depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1
        values.append((depth + _average_path(tree.n_node_samples))[:, None])
    return of_sklearn(forest.estimators_, values)


def _average_path(rows: FloatArray) -> FloatArray:
    """Mean path of an unsuccessful search among n rows in a binary search tree: 2 H(n - 1) - 2 (n - 1) / n."""
    count = np.asarray(rows, dtype=np.float64)
    inner = np.maximum(count - 1.0, 1.0)
    length = 2.0 * (np.log(inner) + np.euler_gamma) - 2.0 * (count - 1.0) / np.maximum(count, 1.0)
    return np.where(count > 2, length, np.where(count == 2, 1.0, 0.0))

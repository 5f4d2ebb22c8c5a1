"""What the model's world looked like: statistics of its inputs, and histograms that drift is measured against."""

from collections.abc import Mapping, Sequence

import numpy as np

from components.fraud.training.learner import Float32Array, FloatArray

BINS = 10


def input_statistics(features: Float32Array, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Mean, standard deviation, 0.1 % and 99.9 % percentiles of what is there, and the share that is missing.

    A column without a single value has mean 0.
    """
    found = {}
    for name, column in zip(names, features.T, strict=True):
        values = column[np.isfinite(column)].astype(np.float64)
        if not len(values):
            values = np.zeros(1)
        low, high = np.quantile(values, [0.001, 0.999])
        found[name] = {
            "mean": float(values.mean()),
            "std": float(values.std()),
            "p001": float(low),
            "p999": float(high),
            "missing": float(1.0 - np.isfinite(column).mean()),
        }
    return found


def histogram(values: FloatArray | Float32Array) -> dict[str, list[float]]:
    """Inner edges at the deciles, ascending and distinct, and the shares of the rows in the bins around them.

    With E edges there are E + 1 bins; a value's bin is the number of edges that are at most the value. Missing values
    are in none, so that the shares sum to the share of rows that have a value.
    """
    present = np.asarray(values, dtype=np.float64)
    present = present[np.isfinite(present)]
    levels = np.linspace(0.0, 1.0, BINS + 1)[1:-1]
    edges = np.unique(np.quantile(present, levels)) if len(present) else np.empty(0)
    counts = np.bincount(np.searchsorted(edges, present, side="right"), minlength=len(edges) + 1)
    return {"edges": edges.tolist(), "shares": (counts / max(len(values), 1)).tolist()}


def score_histograms(probability: FloatArray, features: Float32Array, names: Sequence[str]) -> Mapping[str, object]:
    """What `scores.json` holds: histograms of the probabilities [M] and of every input [N, F].

    Probabilities are those of rows that the model was not trained on, because it is surer of those that it was.
    """
    return {
        "probability": histogram(probability),
        "inputs": {name: histogram(column) for name, column in zip(names, features.T, strict=True)},
    }

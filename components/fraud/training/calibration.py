"""Sigmoid calibration on the log odds (Platt 1999): `probability = sigmoid(slope * log odds + intercept)`."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from components.fraud.training.errors import TrainingError
from components.fraud.training.learner import FloatArray, Labels

PENALTY = 100.0
"""Inverse strength of the ridge on the slope: felt only where the slice is split without an error and the slope would
grow without end."""


@dataclass(frozen=True)
class Calibration:
    """The two numbers, and the rows that they come from."""

    slope: float
    intercept: float
    rows: int
    frauds: int

    def apply(self, margin: FloatArray) -> FloatArray:
        """Probabilities [N] of log odds [N]."""
        return np.asarray(1.0 / (1.0 + np.exp(-(self.slope * margin + self.intercept))))

    def description(self) -> Mapping[str, object]:
        """What `calibration.json` holds."""
        return {
            "method": "sigmoid on the log odds",
            "slope": self.slope,
            "intercept": self.intercept,
            "rows": self.rows,
            "frauds": self.frauds,
        }


def fit_calibration(margin: FloatArray, fraud: Labels) -> Calibration:
    """Fit slope and intercept on rows that the model was not trained on.

    Raises:
        TrainingError: The rows hold one class only, or higher scores do not mean more fraud.
    """
    from sklearn.linear_model import LogisticRegression

    labels = np.asarray(fraud).astype(np.int8)
    frauds = int(labels.sum())
    if not 0 < frauds < len(labels):
        raise TrainingError(f"calibration needs frauds and genuine rows, got {frauds} frauds among {len(labels)} rows")
    model = LogisticRegression(C=PENALTY, tol=1e-8, max_iter=1000).fit(margin[:, None], labels)
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0:
        raise TrainingError(
            f"on {len(labels)} held-out rows a higher score does not mean more fraud (slope {slope:.3g}); the features "
            "say nothing of the labels, or train and calibration rows come from different worlds"
        )
    return Calibration(slope, intercept, len(labels), frauds)

"""Proof that the exported graph computes what the original libraries compute."""

from collections.abc import Mapping

import numpy as np

from components.fraud.training.anomaly import Anomaly
from components.fraud.training.attack_classes import ClassModel
from components.fraud.training.calibration import Calibration
from components.fraud.training.errors import ExportError
from components.fraud.training.graph import ANOMALY, CLASS_PROBABILITIES, INPUT, PROBABILITY, SCORE
from components.fraud.training.learner import Fitted, Float32Array, FloatArray

BATCHES = (1, 3, 64)
TOLERANCE = 1e-6
ANOMALY_TOLERANCE = 1e-3
"""Strangeness passes through a steep interpolation, which magnifies the rounding of a float32 path length."""


class Graph:
    """A graph opened in ONNX Runtime with one thread, as the predictor runs it."""

    def __init__(self, content: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        self._names = [output.name for output in self._session.get_outputs()]

    def __call__(self, features: Float32Array) -> dict[str, Float32Array]:
        """Every output by name."""
        return dict(zip(self._names, self._session.run(None, {INPUT: features}), strict=True))


def originals(
    fitted: Fitted,
    calibration: Calibration,
    classes: ClassModel | None,
    anomaly: Anomaly | None,
    features: Float32Array,
) -> dict[str, FloatArray]:
    """What the libraries that the models were trained with say of rows [N, F], by output."""
    probability = calibration.apply(fitted.margin(features))
    found = {PROBABILITY: probability, SCORE: fitted.score(features)}
    if classes is not None:
        found[CLASS_PROBABILITIES] = classes.probabilities(features, probability)
    if anomaly is not None:
        found[ANOMALY] = anomaly.score(features)
    return found


def verify(content: bytes, expected: Mapping[str, FloatArray], features: Float32Array) -> float:
    """Compare the graph with the originals on all rows, in batches of 1, 3 and 64 and at once.

    Returns:
        The largest difference of a probability.

    Raises:
        ExportError: It exceeds 1e-6, or the anomaly score's 1e-3.
    """
    run = Graph(content)
    worst = 0.0
    for size in (*BATCHES, len(features)):
        for start in range(0, min(len(features), 8 * size), size):
            answers = run(features[start : start + size])
            for name, wanted in expected.items():
                part = wanted[start : start + size]
                if answers[name].shape != part.shape:
                    raise ExportError(f"the graph gives {name} {answers[name].shape}, expected {part.shape}")
                difference = float(np.abs(answers[name] - part).max())
                allowed = ANOMALY_TOLERANCE if name == ANOMALY else TOLERANCE
                if not difference <= allowed:
                    raise ExportError(
                        f"ONNX Runtime and the original differ by {difference:.2e} in {name} at batch {size}; at most "
                        f"{allowed:.0e} is accepted"
                    )
                worst = worst if name == ANOMALY else max(worst, difference)
    return worst

"""Names and shapes of a detector on the wire."""

from collections.abc import Mapping

from components.fraud.detectors import Detector
from components.fraud.manifest import FraudManifest
from components.fraud.network.fields import ATTACK_CLASSES
from serving.tensors import TensorSpec

PROBABILITY, SCORE = "probability", "score"
CLASS_PROBABILITIES, ANOMALY = "class_probabilities", "anomaly"


def graph_outputs(detector: Detector) -> dict[str, tuple[int, ...]]:
    """What a detector's graph answers a row with."""
    outputs: dict[str, tuple[int, ...]] = {PROBABILITY: (), SCORE: ()}
    if detector.name == "network":
        outputs |= {CLASS_PROBABILITIES: (len(ATTACK_CLASSES),), ANOMALY: ()}
    return outputs


def input_specs(detector: Detector) -> tuple[TensorSpec, ...]:
    """Either of these is what a request holds."""
    return (
        TensorSpec("record", "BYTES", (-1,), json=True),
        TensorSpec("features", "FP32", (-1, len(detector.feature_names))),
    )


def output_specs(detector: Detector) -> tuple[TensorSpec, ...]:
    """What an answer can hold; `state_sequences` with a card's record, the last two with `explain`."""
    width = len(detector.feature_names)
    specs = [
        TensorSpec(PROBABILITY, "FP32", (-1,)),
        TensorSpec(SCORE, "FP32", (-1,)),
        TensorSpec("thresholds", "FP64", (2,)),
        TensorSpec("features", "FP32", (-1, width)),
        TensorSpec("feature_names", "BYTES", (width,)),
    ]
    if detector.name == "network":
        specs += [
            TensorSpec("attack_classes", "BYTES", (len(ATTACK_CLASSES),)),
            TensorSpec(CLASS_PROBABILITIES, "FP32", (-1, len(ATTACK_CLASSES))),
            TensorSpec(ANOMALY, "FP32", (-1,)),
        ]
    if detector.name == "card":
        specs.append(TensorSpec("state_sequences", "INT64", (-1, 2)))
    return (*specs, TensorSpec("contributions", "FP32", (-1, width)), TensorSpec("expected", "FP32", (-1,)))


def properties(
    manifest: FraudManifest, thresholds: tuple[float, float], reference: Mapping[str, object]
) -> Mapping[str, object]:
    """What the model's metadata says beside its tensors; `reference` is the version's `scores.json`, for drift."""
    return {
        "detector": manifest.detector,
        "learner": manifest.learner,
        "feature_names": list(manifest.feature_names),
        "feature_digest": manifest.feature_digest,
        "label_delay_seconds": manifest.label_delay_seconds,
        "costs": dict(manifest.costs),
        "thresholds": {"review": thresholds[0], "decline": thresholds[1]},
        "created_at": manifest.created_at,
        "registered_name": f"fraud-{manifest.detector}",
        "reference": dict(reference),
    }

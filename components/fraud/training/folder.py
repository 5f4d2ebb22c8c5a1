"""A candidate as a folder: what release seals, evaluation scores and the predictor serves."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from components.fraud.costs import Costs, Thresholds
from components.fraud.detectors import Detector
from components.fraud.network.fields import ATTACK_CLASSES
from components.fraud.training.calibration import Calibration
from components.fraud.training.graph import ANOMALY, CLASS_PROBABILITIES, INPUT, PROBABILITY, SCORE
from components.fraud.training.learner import Fitted, Learner

MODEL, STATISTICS, CALIBRATION, CANDIDATE = "model.onnx", "input_statistics.json", "calibration.json", "candidate.json"
THRESHOLDS, SCORES, NATIVE = "thresholds.json", "scores.json", "native"

Parameter = bool | int | float | str | None

_DOES = {
    "card": "Probability that a card transaction is fraud, from it and from the history of its customer and terminal.",
    "network": "Probability that a connection is an attack, which class of attack, and how strange it is.",
    "crypto": "Probability that an Ethereum account is illicit, from its transactions.",
}

_LIMITS = {
    "card": "Knows frauds of the kinds that were labelled; a terminal or customer without history is judged by its "
    "transaction alone. Amounts of another currency are outside what it was trained on.",
    "network": "Trained on connections simulated in 1998; recall on attacks that were not in the training part is far "
    "lower than on those that were.",
    "crypto": "Trained on accounts that were reported by people: an account that nobody reported counts as genuine.",
}


@dataclass(frozen=True)
class CandidateFolder:
    """Everything that a candidate folder says.

    Attributes:
        detector: Whose candidate it is.
        learner: Also its `network`, the field of every family's manifest.
        model: The ONNX bytes.
        fitted: The native model.
        calibration: What stands inside the graph.
        thresholds: Where decisions change.
        costs: What they minimise.
        statistics: Of the inputs, by feature.
        scores: Histograms for drift.
        data_digest: Of the training table.
        data: Lines of the model card about the data.
        metrics: What training measured.
        parameters: What the model was made with.
        seconds: How long it took.
    """

    detector: Detector
    learner: Learner
    model: bytes
    fitted: Fitted
    calibration: Calibration
    thresholds: Thresholds
    costs: Costs
    statistics: Mapping[str, Mapping[str, float]]
    scores: Mapping[str, object]
    data_digest: str
    data: Mapping[str, str]
    metrics: Mapping[str, float]
    parameters: Mapping[str, Parameter]
    seconds: float

    def write(self, output: Path) -> None:
        """Write it; `candidate.json` comes last, so that a folder without it is unfinished."""
        native = output / NATIVE
        native.mkdir(parents=True, exist_ok=True)
        (output / CANDIDATE).unlink(missing_ok=True)
        for stale in native.iterdir():
            stale.unlink()
        (output / MODEL).write_bytes(self.model)
        self.fitted.save(native)
        _write(output / STATISTICS, self.statistics)
        _write(output / CALIBRATION, self.calibration.description())
        _write(output / SCORES, self.scores)
        _write(output / THRESHOLDS, self._thresholds())
        files = [THRESHOLDS, SCORES, *sorted(f"{NATIVE}/{file.name}" for file in native.iterdir())]
        _write(output / CANDIDATE, self._description(files))

    def _thresholds(self) -> dict[str, object]:
        return {
            "review": self.thresholds.review,
            "decline": self.thresholds.decline,
            "cost_minor": self.thresholds.cost_minor,
            "costs": asdict(self.costs),
        }

    def _description(self, files: list[str]) -> dict[str, object]:
        return {
            "network": self.learner,
            "detector": self.detector.name,
            "learner": self.learner,
            "feature_names": list(self.detector.feature_names),
            "feature_digest": self.detector.feature_digest,
            "data_digest": self.data_digest,
            "label_delay_seconds": self.detector.label_delay_seconds,
            "costs": asdict(self.costs),
            "signature": signature(self.detector),
            "files": files,
            "tags": ["detector", "learner"],
            "card": {
                "does": _DOES[self.detector.name],
                "data": dict(self.data),
                "limits": _LIMITS[self.detector.name],
            },
            "metrics": dict(self.metrics),
            "parameters": dict(self.parameters),
            "seconds": self.seconds,
        }


def signature(detector: Detector) -> dict[str, object]:
    """What the detector's graph takes and gives, as release's smoke test reads it."""
    share = {"shape": [], "low": 0.0, "high": 1.0}
    outputs: list[dict[str, object]] = [{"name": PROBABILITY, **share}, {"name": SCORE, **share}]
    if detector.name == "network":
        outputs.append({"name": CLASS_PROBABILITIES, **share, "shape": [len(ATTACK_CLASSES)]})
        outputs.append({"name": ANOMALY, **share})
    return {"inputs": [{"name": INPUT, "shape": [len(detector.feature_names)]}], "outputs": outputs}


def _write(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")

"""The fraud predictor's side of the wire: real HTTP, and features so simple that a test can check what was sent."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field

NAMES = {
    "card": ("amount", "customer_count_10m", "customer_amount_1h", "terminal_risk_30d"),
    "network": ("src_bytes", "num_failed_logins"),
    "crypto": ("sent_tnx", "received_tnx"),
}
"""The count counts the events of `recent` whatever their time, and the amount sums them up."""

ATTACKS = ("normal", "dos", "probe")


def of_amount(record: dict) -> float:
    """A probability that grows with the amount: 0.3 at 300.00 and 0.7 at 700.00."""
    return min(0.99, record.get("amount_minor", 0) / 100_000)


@dataclass
class FraudWire:
    """What the fraud models answer, changed by tests while they run."""

    version: str = "7"
    learner: str = "xgboost"
    thresholds: tuple[float, float] = (0.3, 0.7)
    probability: Callable[[dict], float] = of_amount
    explain_delay_seconds: float = 0.0
    missing_models: tuple[str, ...] = ()
    before_answer: Callable[[list], None] | None = None
    """Called with the records of a scoring before it is answered."""

    records: list[list[dict]] = field(default_factory=list)
    """The records of every scoring, newest last."""

    reference: dict[str, object] = field(default_factory=dict)
    """`scores.json`, as the metadata's properties hold it."""

    def respond(self, path: str, body: bytes) -> tuple[int, dict]:
        """Answer anything under `/v2/models/fraud-*`."""
        kind, _, what = path.removeprefix("/v2/models/fraud-").partition("/")
        if kind in self.missing_models or kind not in NAMES:
            command = f"python -m pipelines run fraud-detection --target local --param detector={kind}"
            return 503, {"error": f"no version of fraud-{kind} is served yet; train one: {command}"}
        if what == "infer":
            return self.infer(kind, json.loads(body))
        if what == "ready":
            return 200, {"name": f"fraud-{kind}", "ready": True}
        return 200, self.metadata(kind)

    def metadata(self, kind: str) -> dict:
        """As `GET /v2/models/{name}`."""
        properties = {
            "registered_name": f"fraud-{kind}",
            "learner": self.learner,
            "feature_names": list(NAMES[kind]),
            "feature_digest": "0123456789ab",
            "detector": kind,
            "reference": self.reference,
        }
        return {"name": f"fraud-{kind}", "versions": [self.version], "platform": "onnx", "properties": properties}

    def infer(self, kind: str, request: dict) -> tuple[int, dict]:
        """Score records, or explain rows of features."""
        tensor = request["inputs"][0]
        explain = bool(request.get("parameters", {}).get("explain"))
        if tensor["name"] == "record":
            records = [json.loads(text) for text in tensor["data"]]
            if not explain:
                self.records.append(records)
                if self.before_answer is not None:
                    self.before_answer(records)
            rows = [features(kind, record) for record in records]
            probabilities = [self.probability(record) for record in records]
        else:
            width = tensor["shape"][1]
            rows = [tensor["data"][at : at + width] for at in range(0, len(tensor["data"]), width)]
            probabilities = [min(0.99, max(0.0, row[0] / 1000)) for row in rows]
        outputs = self._outputs(kind, rows, probabilities, sequences=tensor["name"] == "record")
        if explain:
            import time

            time.sleep(self.explain_delay_seconds)
            shares = [0.0 if value is None else value / 100 for row in rows for value in row]
            outputs.append(_tensor("contributions", "FP32", [len(rows), len(NAMES[kind])], shares))
            outputs.append(_tensor("expected", "FP32", [len(rows)], [-3.0] * len(rows)))
        parameters = {"learner": self.learner, "network": self.learner, "feature_digest": "0123456789ab"}
        if explain:
            parameters["contribution_unit"] = "log_odds"
        answer = {"model_name": f"fraud-{kind}", "model_version": self.version, "id": "1"}
        return 200, {**answer, "parameters": parameters, "outputs": outputs}

    def _outputs(self, kind: str, rows: list, probabilities: list[float], *, sequences: bool) -> list[dict]:
        count, names = len(rows), NAMES[kind]
        outputs = [
            _tensor("probability", "FP32", [count], probabilities),
            _tensor("score", "FP32", [count], [math.sqrt(value) for value in probabilities]),
            _tensor("thresholds", "FP64", [2], list(self.thresholds)),
            _tensor("features", "FP32", [count, len(names)], [value for row in rows for value in row]),
            _tensor("feature_names", "BYTES", [len(names)], list(names)),
        ]
        if kind == "card" and sequences:
            outputs.append(_tensor("state_sequences", "INT64", [count, 2], [-1, -1] * count))
        if kind == "network":
            outputs.append(_tensor("attack_classes", "BYTES", [len(ATTACKS)], list(ATTACKS)))
            outputs.append(_tensor("class_probabilities", "FP32", [count, len(ATTACKS)], [0.2, 0.7, 0.1] * count))
            outputs.append(_tensor("anomaly", "FP32", [count], [0.4] * count))
        return outputs


def features(kind: str, record: dict) -> list[float | None]:
    """One row in the order of `NAMES`."""
    if kind == "card":
        before = [event for event in record.get("recent", ()) if event["type"] == "transaction"]
        total = sum(one["amount_minor"] for one in before) / 100
        return [record["amount_minor"] / 100, float(len(before)), total, 0.0]
    values = [value for value in record.values() if isinstance(value, int | float)]
    return [float(values[0]) if values else None, float(values[1]) if len(values) > 1 else 0.0]


def _tensor(name: str, datatype: str, shape: list[int], data: list) -> dict:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}

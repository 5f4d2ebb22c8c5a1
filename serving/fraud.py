"""A detector of fraud: records or features in; probability, score, thresholds and the features used out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from components.fraud.detectors import Detector
from components.fraud.manifest import FraudManifest
from components.fraud.network.fields import ATTACK_CLASSES
from serving.batcher import MicroBatcher
from serving.errors import MalformedError, UnavailableError
from serving.fraud_explain import Explanations, NativeModel
from serving.fraud_inputs import FeatureBounds, Rows, check_rows, checked_explain, checked_features, checked_records
from serving.fraud_records import RecordSource
from serving.fraud_wire import ANOMALY, CLASS_PROBABILITIES, PROBABILITY, SCORE, input_specs, output_specs, properties
from serving.tensors import Call, Health, Tensor


@dataclass(frozen=True)
class Version:
    """One loaded version: what it says of itself and what came with it.

    Attributes:
        number: The registry's.
        manifest: Of its bundle.
        bundle_digest: Of its bundle.
        thresholds: From which probability on a decision is review, and decline.
        reference: Histograms of scores and inputs, for drift.
        native: Its native model.
        contribution_unit: What contributions add up to.
        columns: Output name to its place among the columns of the graph's answer.
    """

    number: str
    manifest: FraudManifest
    bundle_digest: str
    thresholds: tuple[float, float]
    reference: Mapping[str, object]
    native: NativeModel
    contribution_unit: str
    columns: Mapping[str, slice]


class FraudPredictor:
    """Answers for one version of one detector.

    Args:
        version: The version.
        detector: Which one it is of.
        batcher: Calls the graph.
        records: Makes features of records.
        explanations: Explains scores.
        max_rows: Most rows of a request.
    """

    def __init__(
        self,
        version: Version,
        detector: Detector,
        batcher: MicroBatcher,
        records: RecordSource,
        explanations: Explanations,
        max_rows: int,
    ) -> None:
        manifest = version.manifest
        self.version = version.number
        self.parameters: Mapping[str, str] = {
            "network": manifest.learner,
            "learner": manifest.learner,
            "feature_digest": manifest.feature_digest,
            "bundle_digest": version.bundle_digest,
            "contribution_unit": version.contribution_unit,
        }
        self.inputs, self.outputs = input_specs(detector), output_specs(detector)
        self.properties = properties(manifest, version.thresholds, version.reference)
        self._batcher, self._records, self._explanations = batcher, records, explanations
        self._native, self._columns, self._max_rows = version.native, version.columns, max_rows
        self._bounds = FeatureBounds(detector)
        self._thresholds = Tensor.of("thresholds", np.array(version.thresholds, np.float64), shared=True)
        self._names = Tensor.strings("feature_names", detector.feature_names, shared=True)
        self._classes = Tensor.strings("attack_classes", ATTACK_CLASSES, shared=True)

    @property
    def waiting_rows(self) -> int:
        """Rows that wait for the model."""
        return self._batcher.queued_rows

    async def predict(self, call: Call) -> Sequence[Tensor]:
        """Score the rows of `record` or of `features`, and explain them where that is asked."""
        explain = checked_explain(call.parameters.get("explain"))
        features, besides = await self._features(call)
        answer = await self._batcher.submit(features, call.deadline, call.alive)
        outputs = [
            self._column(PROBABILITY, answer),
            self._column(SCORE, answer),
            self._thresholds,
            Tensor.of("features", features),
            self._names,
        ]
        if CLASS_PROBABILITIES in self._columns:
            shares = np.ascontiguousarray(answer[:, self._columns[CLASS_PROBABILITIES]])
            outputs += [self._classes, Tensor.of(CLASS_PROBABILITIES, shares), self._column(ANOMALY, answer)]
        outputs += besides
        if explain:
            added, expected = await self._explanations.explain(self._native, features, call.deadline, call.alive)
            outputs += [Tensor.of("contributions", added), Tensor.of("expected", expected)]
        return outputs

    async def health(self) -> Health:
        """Look at what records need."""
        try:
            await self._records.probe()
        except UnavailableError as error:
            return Health(False, error.message)
        return Health(True)

    async def _features(self, call: Call) -> tuple[Rows, Sequence[Tensor]]:
        if call.inputs.keys() == {"features"}:
            tensor = call.inputs["features"]
            self._check_rows(tensor)
            return checked_features(tensor, self._bounds), ()
        if call.inputs.keys() != {"record"}:
            raise MalformedError(f"expected one input, 'record' or 'features'; received {sorted(call.inputs)}")
        tensor = call.inputs["record"]
        self._check_rows(tensor)
        return await self._records.features(checked_records(tensor), call.deadline)

    def _check_rows(self, tensor: Tensor) -> None:
        check_rows(tensor.shape[0] if tensor.shape else 0, self._max_rows)

    def _column(self, name: str, answer: Rows) -> Tensor:
        return Tensor.of(name, np.ascontiguousarray(answer[:, self._columns[name].start]))

"""Opens versions of a detector, and refuses those that this process cannot serve truly."""

import json
import math
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor

import numpy as np

from components.fraud.detectors import Detector
from components.fraud.explain import ExplainError
from components.fraud.manifest import FraudManifest
from runtime.bundle import Bundle, BundleError, BundleManifest
from serving.batcher import MicroBatcher, ModelThread
from serving.fraud import FraudPredictor, Version
from serving.fraud_explain import Explanations, NativeModel
from serving.fraud_inputs import Rows
from serving.fraud_records import RecordSource
from serving.fraud_settings import FraudSettings
from serving.fraud_wire import SCORE, graph_outputs
from serving.session import ModelRejectedError, StackedModel

FAMILY = "fraud"
MODEL_FILE, THRESHOLDS_FILE, SCORES_FILE = "model.onnx", "thresholds.json", "scores.json"
STATISTICS_FILE, NATIVE_FOLDER = "input_statistics.json", "native"

_ALONE_TOLERANCE = 1e-4
"""Largest difference in probability between a row alone and the same row in a full batch."""

_NATIVE_TOLERANCE = 1e-3
"""Largest difference in score between the graph and the native model that explains it."""


class FraudFamily:
    """Loads versions of one detector.

    Args:
        detector: Which one.
        settings: Limits and threads.
        records: Makes features of records, whatever the version.
        explanations: Explains scores.
        model_thread: Shared by versions, so that calls of one model never overlap.
        on_batch: Told the rows of every model call.
    """

    def __init__(
        self,
        detector: Detector,
        settings: FraudSettings,
        records: RecordSource,
        explanations: Explanations,
        model_thread: ModelThread,
        on_batch: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._detector, self._settings, self._records = detector, settings, records
        self._explanations, self._thread, self._on_batch = explanations, model_thread, on_batch

    def load(self, bundle: Bundle, version: str) -> FraudPredictor:
        """Open, check, warm and smoke-test a version; blocks.

        Raises:
            ModelRejectedError: It cannot be served by this process; says why.
        """
        settings = self._settings
        manifest = checked_manifest(bundle.manifest, self._detector)
        model = StackedModel(
            bundle.path / MODEL_FILE,
            input_name="features",
            row_shape=(len(self._detector.feature_names),),
            outputs=graph_outputs(self._detector),
            threads=settings.intra_op_threads,
            providers=settings.execution_providers,
        )
        row = typical_row(bundle)
        alone = smoke(model, row, settings.max_batch_rows)
        native = NativeModel(bundle.path / NATIVE_FOLDER, manifest.learner)
        opened = Version(
            number=version,
            manifest=manifest,
            bundle_digest=bundle.digest,
            thresholds=_thresholds(bundle),
            reference=_document(bundle, SCORES_FILE),
            native=native,
            contribution_unit=self._checked_unit(native, row, float(alone[model.columns[SCORE]][0])),
            columns=model.columns,
        )
        batcher = MicroBatcher(
            model,
            self._thread,
            max_rows=settings.max_batch_rows,
            queue_rows=settings.queue_rows,
            on_batch=self._on_batch,
        )
        return FraudPredictor(
            opened, self._detector, batcher, self._records, self._explanations, settings.max_batch_rows
        )

    def _checked_unit(self, native: NativeModel, row: Rows, score: float) -> str:
        """The unit of contributions; the native model has to say what the graph says."""
        try:
            added, expected, unit = self._explanations.open(native, row[None])
        except (ExplainError, BrokenExecutor, OSError) as error:
            raise ModelRejectedError(f"the native model cannot be explained: {error}") from error
        total = float(expected[0]) + float(added.sum())
        found = 1 / (1 + math.exp(-total)) if unit == "log_odds" else total
        if not abs(found - score) <= _NATIVE_TOLERANCE:
            raise ModelRejectedError(f"the native model scores {found:.6f} where the graph scores {score:.6f}")
        return unit


def checked_manifest(sealed: BundleManifest, detector: Detector) -> FraudManifest:
    """What the version says of itself; ModelRejectedError unless it is of this detector and reads what is read here."""
    if sealed.family != FAMILY:
        raise ModelRejectedError(f"the version is of family {sealed.family!r}; this predictor serves {FAMILY!r}")
    try:
        manifest = FraudManifest.of(sealed)
    except BundleError as error:
        raise ModelRejectedError(str(error)) from error
    if manifest.detector != detector.name:
        raise ModelRejectedError(f"the version detects {manifest.detector!r}; this model is {detector.model!r}")
    if manifest.feature_digest != detector.feature_digest or manifest.feature_names != detector.feature_names:
        raise ModelRejectedError(
            f"the version was trained on features {manifest.feature_digest}, and this process computes "
            f"{detector.feature_digest}; train with this code, or serve with the code it was trained by"
        )
    return manifest


def typical_row(bundle: Bundle) -> Rows:
    """FP32 `[F]`: the training mean of every feature."""
    statistics = _document(bundle, STATISTICS_FILE)
    try:
        means = [float(statistics[name]["mean"]) for name in bundle.manifest.feature_names]  # type: ignore[index]
    except (KeyError, TypeError, ValueError) as error:
        raise ModelRejectedError(f"{STATISTICS_FILE} does not hold the mean of every feature: {error!r}") from error
    return np.array(means, np.float32)


def smoke(model: StackedModel, row: Rows, rows: int) -> Rows:
    """Call the model on one row and on a full batch of it; its answer `[K]`, or ModelRejectedError where it fails."""
    try:
        alone = model(row[None])[0]
        batch = model(np.repeat(row[None], rows, axis=0))
    except Exception as error:  # noqa: BLE001 - the runtime's errors share no base class
        raise ModelRejectedError(f"the smoke test failed: {error}") from error
    apart = float(np.abs(batch - alone).max())
    if not np.isfinite(batch).all():
        raise ModelRejectedError("the smoke test was answered with values that are not finite")
    if apart > _ALONE_TOLERANCE:
        raise ModelRejectedError(f"a row alone and in a batch of {rows} differ by {apart:.2g}")
    for name, place in model.columns.items():
        if alone[place].min() < 0 or alone[place].max() > 1:
            raise ModelRejectedError(f"{name} of the smoke test is {alone[place]}; it must be between 0 and 1")
    typical: Rows = alone
    return typical


def _thresholds(bundle: Bundle) -> tuple[float, float]:
    found = _document(bundle, THRESHOLDS_FILE)
    review, decline = found.get("review"), found.get("decline")
    if not (isinstance(review, int | float) and isinstance(decline, int | float) and 0 <= review <= decline):
        raise ModelRejectedError(
            f"{THRESHOLDS_FILE} holds review {review!r} and decline {decline!r}; expected 0 <= review <= decline"
        )
    return float(review), float(decline)


def _document(bundle: Bundle, name: str) -> Mapping[str, object]:
    try:
        content = json.loads((bundle.path / name).read_bytes())
    except (OSError, ValueError) as error:
        raise ModelRejectedError(f"{name} of the bundle cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ModelRejectedError(f"{name} of the bundle holds no JSON object")
    return content

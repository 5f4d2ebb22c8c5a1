"""Who is scored: candidates and champion through the ONNX bytes that are served, and the best constant decision."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from components.fraud.costs import DECISIONS, Costs, decide, decision_costs
from components.fraud.evaluation.errors import EvaluationError
from components.fraud.evaluation.metrics import FloatArray
from components.fraud.evaluation.rows import Float32Array, ScoredRows
from runtime.bundle import MANIFEST

CHAMPION = "champion"
NAIVE = "unconditional"
CANDIDATE = "candidate.json"
MODEL = "model.onnx"
THRESHOLDS = "thresholds.json"
BATCH_ROWS = 65_536

Kind = Literal["candidate", "champion", "baseline"]


class DetectorModel(BaseModel):
    """What scoring needs to know of a model; a candidate folder and a released bundle have it in common."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    detector: str
    learner: str
    feature_names: tuple[str, ...]
    feature_digest: str


class ServedThresholds(BaseModel):
    """The part of `thresholds.json` that decides."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    review: float
    decline: float


@dataclass(frozen=True)
class Contender:
    """Someone who decides: probabilities [n] of the scored rows, and the thresholds that make decisions of them."""

    name: str
    kind: Kind
    learner: str
    probability: FloatArray
    review: float
    decline: float

    @property
    def decision(self) -> "np.ndarray[tuple[int], np.dtype[np.int8]]":
        """Codes of `DECISIONS`, [n]."""
        return decide(self.probability, self.review, self.decline)


def read_model(folder: Path) -> DetectorModel:
    """Read what scoring needs from a candidate folder or a bundle.

    Raises:
        EvaluationError: The folder is neither.
    """
    manifest = folder / MANIFEST
    path = manifest if manifest.is_file() else folder / CANDIDATE
    try:
        return DetectorModel.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise EvaluationError(f"{folder} is no finished detector: {error}; train it again") from error


def unlike(model: DetectorModel, other: DetectorModel) -> str:
    """What makes two models' inputs differ, both sides named; empty where nothing does."""
    pairs = (
        ("detector", model.detector, other.detector),
        ("feature digest", model.feature_digest, other.feature_digest),
        ("features", model.feature_names, other.feature_names),
    )
    return "; ".join(f"its {what} is {own}, the data's is {theirs}" for what, own, theirs in pairs if own != theirs)


def model_contender(name: str, kind: Kind, folder: Path, rows: ScoredRows) -> Contender:
    """Score the rows with a folder's own `model.onnx` and decide by its own `thresholds.json`."""
    model = read_model(folder)
    try:
        thresholds = ServedThresholds.model_validate_json((folder / THRESHOLDS).read_bytes())
    except (OSError, ValidationError) as error:
        raise EvaluationError(f"{folder} decides by no readable {THRESHOLDS}: {error}; train it again") from error
    probability = onnx_probability(folder / MODEL, rows.features)
    return Contender(name, kind, model.learner, probability, thresholds.review, thresholds.decline)


def onnx_probability(model: Path, features: Float32Array) -> FloatArray:
    """Run a model's own bytes on features [n, F], one thread; float64 [n].

    Raises:
        EvaluationError: The answer has another shape, or is no probability.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.read_bytes(), options, providers=["CPUExecutionProvider"])
    batches = (features[start : start + BATCH_ROWS] for start in range(0, len(features), BATCH_ROWS))
    answers = [np.asarray(session.run(["probability"], {"features": batch})[0]) for batch in batches]
    odd = [answer.shape for answer in answers if answer.ndim != 1]
    probability = np.concatenate(answers) if not odd else np.empty(0)
    if odd or len(probability) != len(features):
        raise EvaluationError(f"{model} answers {odd or len(probability)} for {len(features)} rows, expected one a row")
    if not ((probability >= 0) & (probability <= 1)).all():
        raise EvaluationError(f"{model} answers probabilities outside 0 to 1; it may not be served")
    return probability.astype(np.float64)


def naive_contender(before: ScoredRows, rows: ScoredRows, costs: Costs) -> Contender:
    """The constant decision that cost least on the rows `before`, whose labels were known when `rows` began."""
    totals = {
        code: decision_costs(np.full(len(before.fraud), code), before.fraud, before.amount_minor, costs).mean()
        for code in range(len(DECISIONS))
    }
    best = min(totals, key=lambda code: float(totals[code]))
    rate = float(before.fraud.mean())
    above, always = float(np.nextafter(rate, 2.0)), 0.0
    review, decline = ((above, above), (always, above), (always, always))[best]
    return Contender(NAIVE, "baseline", f"always {DECISIONS[best]}", np.full(len(rows.fraud), rate), review, decline)


def all_models(
    candidates: Mapping[str, Path], champion: Path | None
) -> tuple[DetectorModel, dict[str, tuple[Kind, Path]], str]:
    """What the candidates have in common, everybody's folder, and why the champion is not among them.

    Raises:
        EvaluationError: There is no candidate, they differ in their inputs, or a name is taken.
    """
    if not candidates:
        raise EvaluationError("there is no candidate to evaluate; train at least one")
    taken = sorted({CHAMPION, NAIVE} & set(candidates))
    if taken:
        raise EvaluationError(f"{taken[0]!r} is no name for a candidate; it stands for the champion or the baseline")
    common = read_model(next(iter(candidates.values())))
    for name, folder in candidates.items():
        reason = unlike(read_model(folder), common)
        if reason:
            raise EvaluationError(f"candidate {name!r} does not go with the others: {reason}; train them on one table")
    folders: dict[str, tuple[Kind, Path]] = {name: ("candidate", folder) for name, folder in candidates.items()}
    if champion is None:
        return common, folders, ""
    reason = unlike(read_model(champion), common)
    return common, folders if reason else {**folders, CHAMPION: ("champion", champion)}, reason


def feature_digest_of(table: Path) -> str:
    """The digest in a table's metadata, empty where it carries none."""
    import pyarrow.parquet as pq

    metadata = pq.read_schema(table).metadata or {}
    return str(metadata.get(b"feature_digest", b"").decode())

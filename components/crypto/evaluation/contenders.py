"""Who is scored: candidates and champion through their ONNX bytes, baselines fitted on everything before the slice."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from components.crypto.baselines import BASELINES, rolling_predictions
from components.crypto.candidate import MODEL, read_candidate, read_forecaster
from components.crypto.dataset import Dataset, Float32Array, IntArray
from components.crypto.manifest import CryptoManifest
from feature_repo.crypto import QUANTILE_LEVELS, WINDOW_BARS, feature_digest

CHAMPION = "champion"
REFERENCE = "unconditional"

Kind = Literal["candidate", "champion", "baseline"]


class EvaluationError(ValueError):
    """What was to be evaluated cannot be, or a model answers what no forecast can be."""


@dataclass(frozen=True)
class Contender:
    """Something that forecasts: `predict` takes rows [n] and returns float32 [n, H, Q]."""

    name: str
    kind: Kind
    network: str
    window_bars: int
    predict: Callable[[IntArray], Float32Array]


def model_contenders(
    dataset: Dataset, candidates: Mapping[str, Path], champion: Path | None
) -> tuple[list[Contender], str]:
    """Candidates, and the champion where it can be compared; and why it cannot (empty where it can or is not there).

    Raises:
        EvaluationError: A candidate does not fit the data, or its name is taken.
    """
    found = []
    for name, folder in candidates.items():
        if name == CHAMPION or (name in BASELINES and name != "har"):
            raise EvaluationError(f"{name!r} is no name for a candidate; it stands for the champion or a baseline")
        candidate = read_candidate(folder)
        reason = unlike(candidate, dataset)
        if reason:
            raise EvaluationError(f"candidate {name!r} does not fit the features: {reason}; train it on them")
        found.append(_model(name, "candidate", candidate, folder, dataset))
    if champion is None:
        return found, ""
    described = read_forecaster(champion)
    reason = unlike(described, dataset)
    if not reason:
        found.append(_model(CHAMPION, "champion", described, champion, dataset))
    return found, reason


def unlike(described: CryptoManifest, dataset: Dataset) -> str:
    """What makes a model's input or output differ from the data's, both sides named; empty where nothing does."""
    markets = {unique_id.split(":")[1] for unique_id in dataset.unique_ids}
    pairs = (
        ("feature digest", described.feature_digest, feature_digest()),
        ("feature names", described.feature_names, dataset.feature_names),
        ("timeframe", described.timeframe, dataset.timeframe.name),
        ("market", {described.market}, markets),
        ("horizon", described.horizon_bars, dataset.horizon_bars),
        ("quantile levels", described.quantile_levels, QUANTILE_LEVELS),
    )
    differing = [f"{what} is {theirs}, the data's is {ours}" for what, theirs, ours in pairs if theirs != ours]
    if described.window_bars > WINDOW_BARS:
        differing.append(f"window is {described.window_bars} bars, at most {WINDOW_BARS} are kept")
    return "; ".join(differing)


def baseline_contenders(
    dataset: Dataset, names: Sequence[str], taken: Sequence[str], *, refits: Mapping[str, int]
) -> list[Contender]:
    """Baselines by name, the unconditional one always and first; one whose name a candidate bears is left out.

    Raises:
        EvaluationError: There is no such baseline.
    """
    unknown = [name for name in names if name not in BASELINES]
    if unknown:
        raise EvaluationError(f"no baseline {unknown[0]!r}; choose from {', '.join(BASELINES)}")
    wanted = dict.fromkeys([REFERENCE, *names])
    return [_baseline(name, dataset, refits.get(name, 1)) for name in wanted if name not in taken]


def _baseline(name: str, dataset: Dataset, refits: int) -> Contender:
    def predict(rows: IntArray) -> Float32Array:
        return rolling_predictions(BASELINES[name], dataset, dataset.first, rows, refits=refits)

    return Contender(name=name, kind="baseline", network=name, window_bars=1, predict=predict)


def _model(name: str, kind: Kind, described: CryptoManifest, folder: Path, dataset: Dataset) -> Contender:
    def predict(rows: IntArray) -> Float32Array:
        return onnx_quantiles(folder / MODEL, dataset, rows, described.window_bars)

    return Contender(name, kind, described.network, described.window_bars, predict)


def onnx_quantiles(model: Path, dataset: Dataset, rows: IntArray, window_bars: int) -> Float32Array:
    """Run a model's own bytes on the windows that end at `rows` [n], one thread; float32 [n, H, Q].

    Raises:
        EvaluationError: The answer has another shape, is not finite, or its quantiles cross.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.read_bytes(), options, providers=["CPUExecutionProvider"])
    batches = dataset.window_batches(rows, window_bars, batch_rows=512)
    quantiles = np.concatenate([session.run(["quantiles"], {"window": batch})[0] for batch in batches])
    expected = (len(rows), dataset.horizon_bars, len(QUANTILE_LEVELS))
    if quantiles.shape != expected:
        raise EvaluationError(f"{model} answers quantiles of shape {quantiles.shape}, expected {expected}")
    if not np.isfinite(quantiles).all():
        raise EvaluationError(f"{model} answers quantiles that are not finite; it may not be served")
    if (np.diff(quantiles, axis=-1) < 0).any():
        raise EvaluationError(f"{model} answers quantiles that cross; it may not be served")
    return np.asarray(quantiles, dtype=np.float32)

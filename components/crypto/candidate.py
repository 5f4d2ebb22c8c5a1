"""A trained forecaster as a folder that evaluation, release and the predictor read alike, whatever its network.

`model.onnx` (window FP32 [N, L, F] to calibrated quantiles FP32 [N, H, Q]), `input_statistics.json`,
`calibration.json`, and `candidate.json`, which is written last: a folder without it is unfinished.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from components.crypto.manifest import TAGS, CryptoManifest
from components.crypto.series import Series
from feature_repo.crypto import QUANTILE_LEVELS, feature_digest
from runtime.bundle import MANIFEST, file_digest
from runtime.signature import Signature

if TYPE_CHECKING:
    from components.crypto.dataset import Dataset, IntArray

MODEL = "model.onnx"
STATISTICS = "input_statistics.json"
CALIBRATION = "calibration.json"
CANDIDATE = "candidate.json"

Parameter = bool | int | float | str | None


class CandidateError(ValueError):
    """The folder is not a finished candidate, or what was to be written is not one."""


class CandidateReport(CryptoManifest):
    """A candidate: what was trained, on what, how, and how long it took; `metrics` are those of training itself.

    `tags` and `card` are for release: which fields become tags of the version, and the family's part of its card.
    """

    baseline: bool = False
    signature: Signature
    tags: tuple[str, ...] = TAGS
    card: Mapping[str, object]
    parameters: Mapping[str, Parameter]
    metrics: Mapping[str, float]
    seconds: float


def write_candidate(
    output: Path,
    *,
    network: str,
    dataset: "Dataset",
    features: Path,
    model: bytes,
    train_rows: "IntArray",
    calibration: Mapping[str, object],
    window_bars: int,
    parameters: Mapping[str, Parameter],
    metrics: Mapping[str, float],
    seconds: float,
    baseline: bool = False,
) -> CandidateReport:
    """Write a candidate folder.

    Args:
        output: The folder; made where it is missing.
        network: `lstm`, `transformer`, `har`, …
        dataset: What `features` holds.
        features: The feature table that was trained on; its bytes give the data digest.
        model: The serialised ONNX graph.
        train_rows: Rows whose features are the training distribution of `input_statistics.json`.
        calibration: The corrections that stand inside the graph.
        window_bars: L.
        parameters: What the network was made with.
        metrics: What training measured.
        seconds: How long training took.
        baseline: Whether this is a baseline and to be labelled as such.

    Raises:
        CandidateError: The series come from more than one market.
    """
    series = [Series.parse(unique_id) for unique_id in dataset.unique_ids]
    markets = sorted({s.market for s in series})
    if len(markets) != 1:
        raise CandidateError(f"a candidate is trained on one market, got {', '.join(markets)}; split the features")
    described = CryptoManifest(
        network=network,
        timeframe=dataset.timeframe.name,
        market=markets[0],
        symbols=tuple(s.unique_id for s in series),
        horizon_bars=dataset.horizon_bars,
        window_bars=window_bars,
        quantile_levels=QUANTILE_LEVELS,
        feature_names=dataset.feature_names,
        feature_digest=feature_digest(),
        data_digest=file_digest(features),
    )
    report = CandidateReport(
        **described.model_dump(),
        signature=described.shapes,
        card=card_words(described),
        baseline=baseline,
        parameters=dict(parameters),
        metrics=dict(metrics),
        seconds=seconds,
    )
    output.mkdir(parents=True, exist_ok=True)
    (output / CANDIDATE).unlink(missing_ok=True)
    (output / MODEL).write_bytes(model)
    _write_json(output / STATISTICS, input_statistics(dataset, train_rows))
    _write_json(output / CALIBRATION, calibration)
    _write_json(output / CANDIDATE, report.model_dump(mode="json"))
    return report


def input_statistics(dataset: "Dataset", rows: "IntArray") -> dict[str, dict[str, float]]:
    """Mean, standard deviation and the 0.1 % and 99.9 % percentiles of every feature over `rows`, by feature name."""
    import numpy as np

    if not len(rows):
        raise CandidateError("input statistics need at least one row, got none")
    values = dataset.features[rows].astype(np.float64)
    low, high = np.quantile(values, [0.001, 0.999], axis=0)
    columns = zip(dataset.feature_names, values.mean(axis=0), values.std(axis=0), low, high, strict=True)
    return {
        name: {"mean": float(mean), "std": float(std), "p001": float(p001), "p999": float(p999)}
        for name, mean, std, p001, p999 in columns
    }


def card_words(described: CryptoManifest) -> dict[str, object]:
    """What a model card says of a forecaster."""
    levels = ", ".join(f"{level:g}" for level in described.quantile_levels)
    symbols = ", ".join(described.symbols)
    return {
        "does": f"From the last {described.window_bars} bars of {len(described.feature_names)} features it predicts "
        f"the quantiles {levels} for each of the next {described.horizon_bars} bars of {described.timeframe}. "
        "Scaling and calibration are inside `model.onnx`.",
        "data": {"market": described.market, "symbols": symbols},
        "limits": f"It knows {symbols} on {described.market} and nothing else; another market is another model. "
        "Inputs unlike the training data are outside what its intervals promise.",
    }


def read_candidate(folder: Path) -> CandidateReport:
    """Read `candidate.json` of a finished candidate folder.

    Raises:
        CandidateError: There is none, or it cannot be read.
    """
    path = folder / CANDIDATE
    if not path.is_file():
        raise CandidateError(f"{folder} holds no {CANDIDATE}: the candidate is unfinished; train it again")
    try:
        return CandidateReport.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CandidateError(f"{path} is not a candidate's description: {error}") from error


def read_forecaster(folder: Path) -> CryptoManifest:
    """Read what scoring needs from a candidate folder or from a bundle.

    Raises:
        CandidateError: The folder is neither.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return read_candidate(folder)
    try:
        return CryptoManifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise CandidateError(f"{path} does not describe a forecaster: {error}") from error


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n")

"""From a feature table to a candidate folder."""

import csv
import dataclasses
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from components.crypto.baselines.unconditional import fit_unconditional
from components.crypto.calibration import PAIRS, Calibration, fit_calibration
from components.crypto.candidate import CandidateReport, Parameter, write_candidate
from components.crypto.dataset import Dataset, Float32Array, IntArray, load_dataset
from components.crypto.export import export_onnx
from components.crypto.metrics import covered, pinball_losses
from components.crypto.networks import Calibrated, Ensemble
from components.crypto.splits import Interval, Split
from components.crypto.training.checkpoints import Checkpoints, checkpoint_key, code_digest
from components.crypto.training.environment import TrainingEnvironment, reproducible
from components.crypto.training.member import EpochReport
from components.crypto.training.members import EnsembleTraining, OnProgress, TrainedMembers
from components.crypto.training.settings import TrainingSettings, training_settings
from feature_repo.crypto import HORIZON_BARS
from runtime.bundle import file_digest
from runtime.object_store import ObjectStore, open_object_store

LEARNING_CURVE = "learning_curve.csv"

_PREDICT_ROWS = 512
_VERIFIED_ROWS = 64


def fit_candidate(
    features: Path,
    output: Path,
    *,
    network: str,
    profile: str = "quick",
    seed: int = 0,
    horizon_bars: int = HORIZON_BARS,
    progress: OnProgress | None = None,
    settings: TrainingSettings | None = None,
    split: Split | None = None,
    store: ObjectStore | None = None,
) -> CandidateReport:
    """Train one forecaster, calibrate it, export it and write its candidate folder.

    A run that was killed goes on from its last epoch and writes the model that it would have written unbroken. The gate
    slice is not read.

    Args:
        features: The feature table.
        output: The candidate folder; made where it is missing.
        network: `lstm` or `transformer`.
        profile: `quick` (about a minute on two cores) or `full`.
        seed: Decides everything random.
        horizon_bars: Longest horizon H.
        progress: Called after every epoch; `str` of its argument is a line for a log.
        settings: Instead of those of network, profile and seed.
        split: Instead of the standard split of the whole table.
        store: Where checkpoints are kept; by default the object store of the runtime settings.

    Raises:
        TrainingError: No such network or profile, or a history too short for one stretch.
        SplitError: A history too short to split.
        CalibrationError: A calibration slice with too few rows.
        ExportError: The ONNX graph differs from the network.
    """
    began = time.perf_counter()
    chosen = settings or training_settings(network, profile, seed)
    dataset = load_dataset(features, horizon_bars)
    slices = split or dataset.split()
    environment = TrainingEnvironment()
    parameters = _parameters(chosen, profile, slices, environment)
    key = checkpoint_key(file_digest(features), parameters, code_digest(), environment.torch_device().type)
    checkpoints = Checkpoints(store or open_object_store(), key)
    with reproducible(environment, chosen.seed) as device:
        trained = EnsembleTraining(dataset, slices, chosen, device, checkpoints, progress).run()
        model = Ensemble(trained.networks)
        window_bars = chosen.network.window_bars
        rows = dataset.rows(slices.calibrate, window_bars)
        raw = predict(model, dataset, rows, window_bars, device)
        calibration = fit_calibration(raw, dataset.targets[rows])
        graph = export_onnx(Calibrated(model, calibration), dataset.windows(rows[:_VERIFIED_ROWS], window_bars))
    _write_curve(output / LEARNING_CURVE, trained.curve)
    return write_candidate(
        output,
        network=chosen.network.network,
        dataset=dataset,
        features=features,
        model=graph,
        train_rows=dataset.rows(slices.train),
        calibration=calibration.description(),
        window_bars=window_bars,
        parameters=parameters,
        metrics=_metrics(trained, dataset, slices.train, rows, raw, calibration),
        seconds=time.perf_counter() - began,
    )


def predict(
    model: torch.nn.Module, dataset: Dataset, rows: IntArray, window_bars: int, device: torch.device
) -> Float32Array:
    """Quantiles [n, H, Q] of `rows` as serving would compute them, window by window."""
    model = model.to(device).eval()
    parts = []
    with torch.no_grad():
        for windows in dataset.window_batches(rows, window_bars, _PREDICT_ROWS):
            parts.append(model(torch.from_numpy(windows).to(device)).cpu().numpy())
    return np.concatenate(parts)


def _parameters(
    settings: TrainingSettings, profile: str, split: Split, environment: TrainingEnvironment
) -> Mapping[str, Parameter]:
    bounds = {
        f"{field.name}_{end}": getattr(getattr(split, field.name), end).isoformat()
        for field in dataclasses.fields(split)
        for end in ("start", "end")
    }
    return {**settings.parameters(), **bounds, "profile": profile, "threads": environment.threads}


def _metrics(
    trained: TrainedMembers,
    dataset: Dataset,
    train: Interval,
    rows: IntArray,
    raw: Float32Array,
    calibration: Calibration,
) -> Mapping[str, float]:
    """Losses of training, and what the calibration slice says of the forecasts before they were calibrated on it."""
    targets = dataset.targets[rows]
    naive = fit_unconditional(dataset, dataset.rows(train)).predict(dataset, rows)
    own = pinball_losses(targets, raw).mean(axis=(0, 2))
    unconditional = pinball_losses(targets, naive).mean(axis=(0, 2))
    low, high = PAIRS[-1]
    return {
        "epochs": float(len(trained.curve)),
        "stop_loss_start": trained.start_loss,
        "stop_loss": trained.stop_loss,
        "calibrate_relative_pinball": float((own / unconditional).mean()),
        "calibrate_coverage_80_raw": float(covered(targets, raw, 80).mean()),
        "calibrate_coverage_95_raw": float(covered(targets, raw, 95).mean()),
        "largest_correction": float(np.abs(calibration.corrections).max()),
    }


def _write_curve(path: Path, curve: list[EpochReport]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [field.name for field in dataclasses.fields(EpochReport)])
        writer.writeheader()
        writer.writerows(dataclasses.asdict(line) for line in curve)

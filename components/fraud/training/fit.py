"""From a table of encoded rows to a candidate folder: search, fit, calibrate, price, export, prove.

Each step has its own slice: settings and rounds are chosen on `stop`, the sigmoid on `calibrate`, the thresholds on
`thresholds`. The gate slice is not read.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.fraud.costs import Costs, choose_thresholds, decide, decision_costs
from components.fraud.detectors import DETECTORS, Detector
from components.fraud.splits import Split
from components.fraud.training.anomaly import Anomaly, fit_anomaly
from components.fraud.training.attack_classes import ClassModel, fit_classes
from components.fraud.training.calibration import Calibration, fit_calibration
from components.fraud.training.errors import TrainingError
from components.fraud.training.folder import CandidateFolder, Parameter
from components.fraud.training.graph import build_graph
from components.fraud.training.learner import LEARNERS, Fitted, FloatArray, Learner, recipe
from components.fraud.training.rows import Rows, load_rows
from components.fraud.training.search import OnProgress, TrialReport, search
from components.fraud.training.statistics import input_statistics, score_histograms
from components.fraud.training.verify import originals, verify
from runtime.bundle import file_digest

TRIALS = 8
_VERIFIED_ROWS = 1024


@dataclass(frozen=True)
class FitReport:
    """A candidate was written: every trial of the search, in order, and what `candidate.json` says of it."""

    learner: Learner
    trials: tuple[TrialReport, ...]
    parameters: Mapping[str, Parameter]
    metrics: Mapping[str, float]
    seconds: float


def fit_candidate(
    table: Path,
    output: Path,
    *,
    detector: str,
    learner: Learner,
    split: Split,
    costs: Costs,
    trials: int = TRIALS,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> FitReport:
    """Train one detector by one learner and write its candidate folder.

    Args:
        table: Card features, flows or accounts.
        output: The candidate folder; made where it is missing.
        detector: `card`, `network` or `crypto`.
        learner: `xgboost` or `random_forest`.
        split: Slices of the table's rows.
        costs: What thresholds minimise.
        trials: Trials of the search; the first has the defaults.
        seed: Decides everything random.
        progress: Called after every trial; `str` of its argument is a line for a log.

    Raises:
        TrainingError: No such detector or learner, features of other definitions, or a slice that cannot be used.
        ExportError: The ONNX graph differs from the trained model.
    """
    began = time.perf_counter()
    if detector not in DETECTORS or learner not in LEARNERS:
        raise TrainingError(
            f"no detector {detector!r} with learner {learner!r}; choose of {', '.join(DETECTORS)} and "
            f"{', '.join(LEARNERS)}"
        )
    chosen = DETECTORS[detector]
    slices = _slices(load_rows(table, chosen), split)
    train, stop, calibrate = slices["train"], slices["stop"], slices["calibrate"]
    found = search(recipe(learner), train, stop, trials=trials, seed=seed, progress=progress)
    settings, fitted = found.best.settings, found.fitted
    calibration = fit_calibration(fitted.margin(calibrate.features), calibrate.fraud)
    classes, anomaly = _network_models(chosen, learner, train, calibrate, seed)
    model = build_graph(fitted, calibration, len(chosen.feature_names), classes, anomaly)
    shown = slices["thresholds"].features[:_VERIFIED_ROWS]
    difference = verify(model, originals(fitted, calibration, classes, anomaly, shown), shown)
    priced = slices["thresholds"]
    probability = calibration.apply(fitted.margin(priced.features))
    thresholds = choose_thresholds(probability, priced.amount_minor, costs)
    decided = decide(probability, thresholds.review, thresholds.decline)
    parameters: dict[str, Parameter] = {**settings, "seed": seed, "trials": trials}
    metrics = {
        **fitted.learned,
        **_metrics(fitted, calibration, slices),
        "expected_cost_minor": thresholds.cost_minor,
        "cost_minor": float(decision_costs(decided, priced.fraud, priced.amount_minor, costs).mean()),
        "onnx_difference": difference,
    }
    seconds = time.perf_counter() - began
    CandidateFolder(
        detector=chosen,
        learner=learner,
        model=model,
        fitted=fitted,
        calibration=calibration,
        thresholds=thresholds,
        costs=costs,
        statistics=input_statistics(train.features, chosen.feature_names),
        scores=score_histograms(probability, train.features, chosen.feature_names),
        data_digest=file_digest(table),
        data={name: f"{len(rows)} rows, {int((rows.fraud == 1).sum())} frauds" for name, rows in slices.items()},
        metrics=metrics,
        parameters=parameters,
        seconds=seconds,
    ).write(output)
    return FitReport(learner, found.trials, parameters, metrics, seconds)


def _slices(rows: Rows, split: Split) -> dict[str, Rows]:
    """Rows of every slice but the gate."""
    if len(split.train) != len(rows):
        raise TrainingError(f"the split is of {len(split.train)} rows, the table has {len(rows)}; split this table")
    slices = {name: rows[mask] for name, mask in split.items() if name != "gate"}
    for name, part in slices.items():
        if len(np.unique(part.fraud)) != 2 or part.fraud.min() < 0:
            raise TrainingError(f"the {name} slice needs frauds and genuine rows and no others; split the table anew")
    return slices


def _network_models(
    detector: Detector, learner: Learner, train: Rows, calibrate: Rows, seed: int
) -> tuple[ClassModel | None, Anomaly | None]:
    if detector.name != "network":
        return None, None
    normal = [rows.features[rows.fraud == 0] for rows in (train, calibrate)]
    return fit_classes(train, learner, seed), fit_anomaly(normal[0], normal[1], seed)


def _metrics(fitted: Fitted, calibration: Calibration, slices: Mapping[str, Rows]) -> dict[str, float]:
    """Average precision and log loss where the model was not fitted, the latter with and without calibration."""
    from sklearn.metrics import average_precision_score, log_loss

    found = {}
    for name in ("stop", "thresholds"):
        margin = fitted.margin(slices[name].features)
        found[f"{name}_average_precision"] = float(average_precision_score(slices[name].fraud, margin))
    labels: FloatArray = slices["thresholds"].fraud.astype(np.float64)
    raw = fitted.score(slices["thresholds"].features)
    found["thresholds_log_loss"] = float(log_loss(labels, calibration.apply(margin)))
    found["thresholds_log_loss_raw"] = float(log_loss(labels, np.clip(raw, 1e-6, 1 - 1e-6)))
    return found

"""NSL-KDD: trained on KDDTrain+, scored once on KDDTest+, whose attacks are half unknown to the training part.

Printed figures for KDDTest+, quoted from memory of the papers, neither looked up nor computed here: Tavallaee et al.
2009 (WEKA, trained on a fifth of KDDTrain+) give accuracies of 80.67 % for a random forest and 81.05 % for J48; later
forests and boosted trees trained on all of KDDTrain+ mostly lie between 74 and 82 %.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score, roc_auc_score

from bench.fraud.common import DATA, markdown, precision_recall_f1, work_folder
from components.fraud.costs import COSTS
from components.fraud.detectors import DETECTORS
from components.fraud.network.dataset import write_flows
from components.fraud.splits import Split, grouped_split
from components.fraud.training import Learner, fit_candidate
from components.fraud.training.rows import load_rows
from components.fraud.training.verify import Graph

SET = DATA / "intrusion_nsl_kdd"
STRANGE = 0.99
"""A flow stranger than 99 % of normal calibration rows is flagged too: a budget of one false alarm in a hundred, set
before anything was scored."""


def run(trials: int, seed: int, learners: Sequence[Learner]) -> None:
    """Train both learners and print the tables."""
    if not SET.is_dir():
        print(f"skipped: NSL-KDD is not at {SET}")
        return
    table = work_folder() / "flows.parquet"
    write_flows(SET, table)
    split = grouped_split(table, seed)
    keys = pd.read_parquet(table, columns=["attack", "attack_class", "part"])
    test = (keys["part"] == "test").to_numpy()
    rows = load_rows(table, DETECTORS["network"])[test]
    known = set(keys["attack"][~test])
    classes = keys["attack_class"][test].to_numpy()
    seen = keys["attack"][test].isin(known).to_numpy()
    scores, recalls = [], []
    for learner in learners:
        answers = _answers(table, learner, split, trials, seed, rows.features)
        fraud = rows.fraud == 1
        probability = answers["probability"].astype(np.float64)
        for name, flagged in {
            f"{learner}": probability >= 0.5,
            f"{learner} or strange": (probability >= 0.5) | (answers["anomaly"] >= STRANGE),
        }.items():
            precision, _, f1 = precision_recall_f1(fraud, flagged)
            accuracy, alarms = float((flagged == fraud).mean()), float(flagged[~fraud].mean())
            auc, ap = float(roc_auc_score(fraud, probability)), float(average_precision_score(fraud, probability))
            scores.append([name, accuracy, auc, ap, precision, f1, alarms])
            parts = [fraud & seen, fraud & ~seen, *(classes == c for c in ("dos", "probe", "r2l", "u2r"))]
            recalls.append([name, *(float(flagged[part].mean()) for part in parts)])
        named = np.array(["normal", "dos", "probe", "r2l", "u2r"])[answers["class_probabilities"].argmax(axis=1)]
        print(f"{learner}: class named rightly in {float((named == classes).mean()):.3f} of KDDTest+", flush=True)
    print(markdown(["KDDTest+", "accuracy", "AUC", "AP", "precision", "F1", "false alarms"], scores))
    print(f"\n{int(((rows.fraud == 1) & seen).sum())} attacks of seen types, {int((~seen).sum())} of unseen ones\n")
    print(markdown(["recall", "seen types", "unseen types", "dos", "probe", "r2l", "u2r"], recalls))


def _answers(
    table: Path, learner: Learner, split: Split, trials: int, seed: int, features: np.ndarray
) -> dict[str, np.ndarray]:
    folder = work_folder() / f"network-{learner}"
    report = fit_candidate(
        table,
        folder,
        detector="network",
        learner=learner,
        split=split,
        costs=COSTS["network"],
        trials=trials,
        seed=seed,
        progress=lambda line: print(f"{learner}: {line}", flush=True),
    )
    print(f"{learner}: {dict(report.metrics)}, {report.seconds:.0f} s", flush=True)
    return Graph((folder / "model.onnx").read_bytes())(features)

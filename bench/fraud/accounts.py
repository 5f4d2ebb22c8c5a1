"""Ethereum accounts: a grouped tenth held out, over three splits, each with models of its own."""

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import average_precision_score, roc_auc_score

from bench.fraud.common import DATA, markdown, precision_recall_f1, work_folder
from components.fraud.accounts.dataset import write_accounts
from components.fraud.costs import COSTS
from components.fraud.detectors import DETECTORS
from components.fraud.splits import grouped_split
from components.fraud.training import Learner, fit_candidate
from components.fraud.training.rows import load_rows
from components.fraud.training.verify import Graph

SET = DATA / "fraud_ethereum" / "ethereum_accounts.parquet"
SPLITS = 3


def run(trials: int, seed: int, learners: Sequence[Learner]) -> None:
    """Train both learners on every split and print the table."""
    if not SET.is_file():
        print(f"skipped: the Ethereum accounts are not at {SET}")
        return
    table = work_folder() / "accounts.parquet"
    write_accounts(SET, table)
    rows = load_rows(table, DETECTORS["crypto"])
    lines = []
    for learner in learners:
        found = []
        for number in range(seed, seed + SPLITS):
            split = grouped_split(table, number)
            folder = work_folder() / f"crypto-{learner}"
            fit_candidate(
                table,
                folder,
                detector="crypto",
                learner=learner,
                split=split,
                costs=COSTS["crypto"],
                trials=trials,
                seed=number,
            )
            gate = rows[split.gate]
            probability = Graph((folder / "model.onnx").read_bytes())(gate.features)["probability"]
            fraud = gate.fraud == 1
            precision, recall, f1 = precision_recall_f1(fraud, probability >= 0.5)
            auc, ap = roc_auc_score(fraud, probability), average_precision_score(fraud, probability)
            found.append([float(auc), float(ap), precision, recall, f1])
            print(f"{learner}, split {number}: AUC {auc:.4f}", flush=True)
        means, spread = np.mean(found, axis=0), np.std(found, axis=0)
        lines.append([learner, *(f"{m:.3f} ± {s:.3f}" for m, s in zip(means, spread, strict=True))])
    print(f"\n{len(rows)} accounts, a tenth of the addresses held out, mean and deviation over {SPLITS} splits\n")
    print(markdown(["", "AUC", "AP", "precision", "recall", "F1"], lines))

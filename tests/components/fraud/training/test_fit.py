import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from components.fraud.costs import COSTS, Costs, decide, decision_costs
from components.fraud.detectors import DETECTORS
from components.fraud.explain import Explainer
from components.fraud.splits import Split, card_split, grouped_split
from components.fraud.training import LEARNERS, Learner, TrainingError, TrialReport, fit_candidate
from components.fraud.training.rows import load_rows
from components.fraud.training.verify import Graph
from components.release.candidate import make_bundle, read_candidate
from components.release.smoke import smoke_score

BALANCED = Costs(missed_minor=5_000, review_minor=1_000, declined_share=0.0, declined_minor=4_000)
"""No constant decision is nearly best, so that a model that tells fraud must save money on a few hundred rows."""


def split_of(detector: str, table: Path) -> Split:
    delay = timedelta(seconds=DETECTORS[detector].label_delay_seconds)
    return card_split(table, delay) if detector == "card" else grouped_split(table, seed=0)


@pytest.mark.parametrize(
    ("detector", "learner"),
    [("card", "xgboost"), ("card", "random_forest"), ("network", "xgboost"), ("crypto", "random_forest")],
)
def test_a_candidate_tells_fraud_and_can_be_released_and_explained(
    detector: str, learner: Learner, write_table: Callable[..., Path], tmp_path: Path
) -> None:
    table = write_table(detector)
    split = split_of(detector, table)
    lines: list[TrialReport] = []
    folder = tmp_path / "candidate"
    costs = COSTS["card"] if detector == "card" else BALANCED
    report = fit_candidate(
        table,
        folder,
        detector=detector,
        learner=learner,
        split=split,
        costs=costs,
        trials=2,
        seed=0,
        progress=lines.append,
    )
    assert report.trials == tuple(lines)
    assert "trial 0: average precision 0." in str(lines[0])

    candidate = read_candidate(folder)
    assert (candidate.network, candidate.model_extra["detector"]) == (learner, detector)
    assert candidate.model_extra["label_delay_seconds"] == (604_800 if detector == "card" else 0)
    assert set(candidate.tags) == {"detector", "learner"}

    rows = load_rows(table, DETECTORS[detector])
    gate = rows[split.gate]
    answers = Graph((folder / "model.onnx").read_bytes())(gate.features)
    assert average_precision_score(gate.fraud, answers["probability"]) > max(0.6, 2 * gate.fraud.mean())
    assert answers["probability"].mean() == pytest.approx(gate.fraud.mean(), abs=0.06)

    thresholds = json.loads((folder / "thresholds.json").read_text())
    decision = decide(answers["probability"], thresholds["review"], thresholds["decline"])
    naive = min(
        decision_costs(np.full(len(gate), code), gate.fraud, gate.amount_minor, costs).mean() for code in range(3)
    )
    assert decision_costs(decision, gate.fraud, gate.amount_minor, costs).mean() < 0.95 * naive

    scores = json.loads((folder / "scores.json").read_text())
    assert set(scores["inputs"]) == set(DETECTORS[detector].feature_names)
    assert sum(scores["probability"]["shares"]) == pytest.approx(1.0)
    for column in scores["inputs"].values():
        assert len(column["shares"]) == len(column["edges"]) + 1

    added, expected = Explainer(folder / "native", learner).contributions(gate.features[:20])
    explained = expected + added.sum(axis=1)
    uncalibrated = 1 / (1 + np.exp(-explained)) if learner == "xgboost" else explained
    np.testing.assert_allclose(uncalibrated, answers["score"][:20], atol=2e-6)

    page = tmp_path / "report.html"
    page.write_text("<!doctype html><title>evaluation</title>")
    name = DETECTORS[detector].model
    bundle = make_bundle(folder, tmp_path / "bundle", family="fraud", name=name, report_html=page)
    assert smoke_score(bundle).shapes["probability"] == (1,)
    assert "native/model.ubj" in bundle.manifest.files or "native/forest.npz" in bundle.manifest.files


def test_the_gate_slice_has_no_influence_and_the_same_seed_gives_the_same_bytes(
    write_table: Callable[..., Path], tmp_path: Path
) -> None:
    table = write_table("crypto", seed=4)
    split = grouped_split(table, seed=0)
    changed = tmp_path / "changed.parquet"
    import pyarrow as pa
    import pyarrow.parquet as pq

    frame = pd.read_parquet(table)
    frame.loc[split.gate, frame.columns[2:20]] = 1e6
    frame.loc[split.gate, "fraud"] = 1 - frame.loc[split.gate, "fraud"]
    pq.write_table(pa.Table.from_pandas(frame, pq.read_schema(table), preserve_index=False), changed)
    for learner in LEARNERS:
        models = []
        for number, path in enumerate((table, table, changed)):
            folder = tmp_path / f"{learner}-{number}"
            fit_candidate(
                path, folder, detector="crypto", learner=learner, split=split, costs=COSTS["crypto"], trials=1, seed=3
            )
            models.append((folder / "model.onnx").read_bytes())
        assert models[0] == models[1] == models[2]


def test_other_definitions_splits_and_names_are_refused(write_table: Callable[..., Path], tmp_path: Path) -> None:
    table = write_table("crypto")
    split = grouped_split(table, seed=0)

    def train(path: Path, detector: str = "crypto", learner: str = "xgboost", slices: Split = split) -> None:
        fit_candidate(
            path, tmp_path / "no", detector=detector, learner=learner, split=slices, costs=COSTS["crypto"], trials=1
        )  # type: ignore[arg-type]

    with pytest.raises(TrainingError, match="no detector 'crypto' with learner 'svm'"):
        train(table, learner="svm")
    with pytest.raises(TrainingError, match="was built by feature definitions .* this code's are"):
        train(table, detector="network")
    short = Split(*(mask[:-1] for _, mask in split.items()))
    with pytest.raises(TrainingError, match="the split is of 2399 rows, the table has 2400"):
        train(table, slices=short)
    empty = np.zeros(2400, dtype=bool)
    with pytest.raises(TrainingError, match="the stop slice needs frauds and genuine rows"):
        train(table, slices=Split(split.train, empty, split.calibrate, split.thresholds, split.gate))
    assert not (tmp_path / "no" / "candidate.json").exists()

"""Candidates, champion and the naive decision on one slice: what the gate and a person are given."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from components.fraud.costs import COSTS, Costs, decide, decision_costs
from components.fraud.evaluation import EvaluationError, EvaluationReport, evaluate
from components.fraud.splits import Split
from components.release.gate import GateRules
from components.release.gate import decide as gate
from tests.components.fraud.evaluation.conftest import NAMES, ROWS

CARD = COSTS["card"]


@pytest.fixture(scope="module")
def evaluated(
    card_table: Path, card_slices: Split, trained: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> EvaluationReport:
    folder = tmp_path_factory.mktemp("evaluated")
    return evaluate(card_table, trained, trained["partial"], card_slices, folder, costs=CARD)


def test_losses_are_the_cost_of_every_decision_on_the_same_rows(
    evaluated: EvaluationReport, card_table: Path, card_slices: Split, trained: dict[str, Path]
) -> None:
    import onnxruntime

    losses = pq.read_table(evaluated.losses)
    table = pq.read_table(card_table).filter(card_slices.gate)
    features = np.column_stack([table[name].to_numpy() for name in NAMES]).astype(np.float32)
    answer = onnxruntime.InferenceSession(trained["good"] / "model.onnx").run(["probability"], {"features": features})
    served = json.loads((trained["good"] / "thresholds.json").read_text())
    decision = decide(answer[0], served["review"], served["decline"])
    expected = decision_costs(decision, table["fraud"].to_numpy(), table["amount_minor"].to_numpy(), CARD)

    own = losses.filter(pc.field("candidate") == "good")
    assert losses.column_names == ["candidate", "ds", "row_key", "loss"]
    assert set(losses["candidate"].to_pylist()) == {"good", "partial", "champion", "unconditional"}
    assert own["row_key"].to_pylist() == table["transaction_id"].to_pylist()
    np.testing.assert_allclose(own["loss"].to_numpy(), expected)
    assert evaluated.metrics["good/cost"] == pytest.approx(expected.mean())


def test_the_release_gate_reads_the_losses_and_prefers_the_better_candidate(evaluated: EvaluationReport) -> None:
    found = gate(
        evaluated.losses,
        candidates=["good", "partial"],
        champion=None,
        rules=GateRules(block_seconds=evaluated.block_seconds, resamples=200),
    )

    assert (evaluated.winner, found.candidate, found.promote) == ("good", "good", True)
    assert evaluated.block_seconds == 86_400, "twelve days are too short for weekly blocks"


def test_the_naive_decision_is_the_best_constant_one_of_the_slice_before(
    card_table: Path, card_slices: Split, trained: dict[str, Path], tmp_path: Path
) -> None:
    trusting = replace(CARD, review_minor=100_000, declined_minor=100_000)
    dear = Costs(missed_minor=1_000_000, review_minor=900_000, declined_share=0.0, declined_minor=1)

    for costs, name in ((CARD, "review"), (trusting, "accept"), (dear, "decline")):
        found = evaluate(card_table, trained, None, card_slices, tmp_path / name, costs=costs)
        counts = [found.metrics[f"unconditional/{truth}_{name}"] for truth in ("genuine", "fraud")]
        assert sum(counts) == found.rows, name
        assert found.metrics["unconditional/relative_cost"] == 1.0


def test_metrics_tell_kinds_of_fraud_apart_and_carry_intervals(evaluated: EvaluationReport) -> None:
    metrics = json.loads(evaluated.metrics_path.read_text())

    assert metrics == evaluated.metrics
    assert metrics["good/recall_large_amount"] > 0.9
    assert {"good/average_precision_fast", "good/card_precision_100", "good/calibration_error"} <= set(metrics)
    assert metrics["good/auc_low"] < metrics["good/auc"] < metrics["good/auc_high"]
    assert metrics["good/auc"] > metrics["partial/auc"] > 0.5
    assert metrics["partial/auc"] == metrics["champion/auc"]
    assert metrics["unconditional/auc"] == 0.5


def test_candidates_are_kept_as_they_were_scored(evaluated: EvaluationReport, trained: dict[str, Path]) -> None:
    for name, folder in trained.items():
        kept = evaluated.report.parent / "candidates" / name
        assert {path.name: path.read_bytes() for path in kept.iterdir()} == {
            path.name: path.read_bytes() for path in folder.iterdir()
        }


def test_the_report_is_one_file_that_refers_to_nothing_outside_itself(evaluated: EvaluationReport) -> None:
    page = evaluated.report.read_text(encoding="utf-8")

    assert not re.search(r"https?://|<script|<link", page)
    assert page.count("data:image/svg+xml;base64,") == 5
    assert "large amount" in page and "always review" in page and "unconditional" in page


def test_a_champion_of_other_features_is_left_out_and_the_reason_told(
    card_table: Path,
    card_slices: Split,
    trained: dict[str, Path],
    write_candidate: Callable[..., Path],
    tmp_path: Path,
) -> None:
    old = write_candidate("old", feature_digest="0" * 12)

    found = evaluate(card_table, trained, old, card_slices, tmp_path, costs=CARD)

    assert not found.champion_scored
    assert "feature digest is 000000000000, the data's is a1b2c3d4e5f6" in found.champion_reason
    assert found.champion_reason in found.report.read_text().replace("&#39;", "'")
    assert "champion/cost" not in found.metrics


def test_rows_of_unknown_truth_are_not_scored(
    card_table: Path, card_slices: Split, trained: dict[str, Path], tmp_path: Path
) -> None:
    table = pq.read_table(card_table)
    fraud = table["fraud"].to_numpy().astype(object)
    fraud[-100:] = None
    position = table.schema.get_field_index("fraud")
    unknown = table.set_column(position, table.schema.field(position), pa.array(fraud, pa.int8()))
    pq.write_table(unknown, tmp_path / "unknown.parquet")

    found = evaluate(tmp_path / "unknown.parquet", trained, None, card_slices, tmp_path / "out", costs=CARD)

    assert found.rows == ROWS // 5 - 100


def test_what_cannot_be_evaluated_is_refused_with_what_to_do(
    card_table: Path,
    card_slices: Split,
    trained: dict[str, Path],
    write_candidate: Callable[..., Path],
    tmp_path: Path,
) -> None:
    short = Split(*(mask[:-1] for _, mask in card_slices.items()))
    narrow = write_candidate("narrow", features=("amount", "speed"))
    unfinished = tmp_path / "unfinished"
    unfinished.mkdir()

    def refused(candidates: dict[str, Path], split: Split, said: str) -> None:
        with pytest.raises(EvaluationError, match=said):
            evaluate(card_table, candidates, None, split, tmp_path / "out", costs=CARD)

    refused({}, card_slices, "no candidate to evaluate")
    refused({"champion": trained["good"]}, card_slices, "'champion' is no name for a candidate")
    refused({"good": unfinished}, card_slices, "is no finished detector")
    refused({**trained, "narrow": narrow}, card_slices, "'narrow' does not go with the others")
    refused(
        {"other": write_candidate("other", feature_digest="b" * 12)}, card_slices, "holds a1b2c3d4e5f6; train again"
    )
    refused(trained, short, "split again")

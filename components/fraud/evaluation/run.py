"""The evaluation from a table and candidate folders to losses, metrics and a report."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from components.fraud.costs import Costs, decision_costs
from components.fraud.evaluation.contenders import (
    CHAMPION,
    Contender,
    all_models,
    feature_digest_of,
    model_contender,
    naive_contender,
)
from components.fraud.evaluation.errors import EvaluationError
from components.fraud.evaluation.report import Evaluation, write_report
from components.fraud.evaluation.rows import ScoredRows, read_rows
from components.fraud.evaluation.scores import Scores, score
from components.fraud.splits import Split

LOSSES = "losses.parquet"
METRICS = "metrics.json"
REPORT = "report.html"
CANDIDATES = "candidates"

RESAMPLES: Mapping[str, int] = {"quick": 300, "full": 1000}


@dataclass(frozen=True)
class EvaluationReport:
    """What an evaluation found.

    Attributes:
        winner: The candidate whose decisions cost least, as the release room reckons.
        metrics: Flat, `<contender>/<score>`.
        champion_scored: Whether the losses hold rows of the champion.
        champion_reason: Why they do not; empty where they do or there is no champion.
        rows: Scored rows.
        block_seconds: Length of a bootstrap block.
        losses: Path of the losses table.
        metrics_path: Path of the metrics file.
        report: Path of the HTML report.
    """

    winner: str
    metrics: Mapping[str, float]
    champion_scored: bool
    champion_reason: str
    rows: int
    block_seconds: int
    losses: Path
    metrics_path: Path
    report: Path


def evaluate(
    table: Path,
    candidates: Mapping[str, Path],
    champion: Path | None,
    split: Split,
    output: Path,
    *,
    costs: Costs,
    profile: str = "quick",
) -> EvaluationReport:
    """Score candidates, champion and the best constant decision on the gate slice.

    Models answer through their ONNX bytes and decide by their own thresholds; the constant decision is chosen on the
    slice before, where the thresholds were.

    Args:
        table: Card features, flows or accounts.
        candidates: Candidate name → folder.
        champion: The champion's bundle, or None.
        split: Over the table's rows.
        output: Receives `losses.parquet`, `metrics.json`, `report.html` and `candidates/<name>/` as scored.
        costs: What decisions cost; the same for everybody.
        profile: `quick` or `full`: how many bootstrap samples.

    Raises:
        EvaluationError: There is no candidate, one does not fit the table or answers what no detector can.
        BootstrapError: The slice holds fewer than two blocks.
    """
    if profile not in RESAMPLES:
        raise EvaluationError(f"no evaluation profile {profile!r}; choose one of {', '.join(RESAMPLES)}")
    common, folders, champion_reason = all_models(candidates, champion)
    digest = feature_digest_of(table)
    if digest and digest != common.feature_digest:
        raise EvaluationError(
            f"the candidates read features {common.feature_digest}, {table} holds {digest}; train again"
        )
    rows = read_rows(table, split.gate, common.feature_names)
    before = read_rows(table, split.thresholds, common.feature_names)
    naive = naive_contender(before, rows, costs)
    models = [model_contender(name, kind, folder, rows) for name, (kind, folder) in folders.items()]
    scores = _score_all([*models, naive], rows, costs, RESAMPLES[profile])
    ranked = [s for s in scores if s.contender.kind == "candidate"]
    winner = min(ranked, key=lambda s: s.estimates["cost"].value).contender.name
    output.mkdir(parents=True, exist_ok=True)
    _write_losses(output / LOSSES, scores, rows)
    metrics = {key: value for s in scores for key, value in s.flat().items()}
    (output / METRICS).write_text(json.dumps(metrics, indent=2, sort_keys=True, allow_nan=False) + "\n")
    page = Evaluation(common.detector, rows, scores, winner, costs, profile, champion_reason)
    write_report(output / REPORT, page)
    for name, folder in candidates.items():
        shutil.copytree(folder, output / CANDIDATES / name, dirs_exist_ok=True)
    return EvaluationReport(
        winner=winner,
        metrics=metrics,
        champion_scored=CHAMPION in folders,
        champion_reason=champion_reason,
        rows=len(rows.fraud),
        block_seconds=rows.block_seconds,
        losses=output / LOSSES,
        metrics_path=output / METRICS,
        report=output / REPORT,
    )


def _score_all(contenders: Sequence[Contender], rows: ScoredRows, costs: Costs, resamples: int) -> list[Scores]:
    naive = next(c for c in contenders if c.kind == "baseline")
    reference = decision_costs(naive.decision, rows.fraud, rows.amount_minor, costs)
    return [score(c, rows, reference, costs, resamples=resamples) for c in contenders]


def _write_losses(path: Path, scores: Sequence[Scores], rows: ScoredRows) -> None:
    """One row a contender and scored row, in the same order for every contender."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            ("candidate", pa.string()),
            ("ds", pa.timestamp("us", tz="UTC")),
            ("row_key", pa.string()),
            ("loss", pa.float64()),
        ],
        metadata={"loss": "cost of a decision in minor units"},
    )
    ds, keys = pa.array(rows.ds, schema.field("ds").type), pa.array(rows.keys, pa.string())
    partial = path.with_name(path.name + ".partial")
    with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for s in scores:
            name = pa.repeat(s.contender.name, len(keys))
            writer.write_table(pa.table([name, ds, keys, pa.array(s.losses)], schema=schema))
    partial.replace(path)

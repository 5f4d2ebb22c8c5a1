"""What the fraud steps do: one call into the family each, and what of it is written to MLflow.

Every function runs inside a step's process; `pipeline` and `run_id` say which MLflow run it belongs to.
"""

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from components.fraud.costs import COSTS, Costs, CostsError
from components.fraud.detectors import DETECTORS
from components.pipeline_run import (
    CHAMPION_BUNDLE,
    annotate_pipeline_run,
    first_step_run,
    keep_file,
    remember_run,
    step_run,
)
from components.step_run import report_progress

if TYPE_CHECKING:
    from components.fraud.splits import Split
    from components.fraud.training import TrialReport
    from runtime.tracking import RunLogger

HEADLINES = ("cost", "relative_cost", "auc", "average_precision", "recall", "card_precision_100")

TRIALS: Mapping[str, Mapping[str, int]] = {
    "quick": {"xgboost": 4, "random_forest": 1},
    "full": {"xgboost": 20, "random_forest": 8},
}
"""Trials of the search for settings by profile and learner, the defaults being the first; a forest takes far longer."""


@dataclass(frozen=True)
class Opened:
    """What the first step tells all others."""

    run_id: str
    clock: str
    registered_model: str
    rows: int


def prepare(
    table: Path,
    *,
    pipeline: str,
    job: str,
    detector: str,
    data: str,
    profile: str,
    rows: int,
    trials: int,
    seed: int,
    costs: str,
) -> Opened:
    """Open the pipeline's MLflow run and write the detector's table.

    Args:
        table: Receives `transactions`, `flows` or `accounts`.
        pipeline: Whose run it is.
        job: The back-end's id of the pipeline run.
        detector: `card`, `network` or `crypto`.
        data: Path of a set; empty for the simulator.
        profile: `quick` or `full`.
        rows: Simulated transactions; 0 follows the profile.
        trials: Written down with the run; 0 follows the profile.
        seed: Decides everything random.
        costs: As `parse_costs` reads it; refused here, before anything is computed.
    """
    from components.fraud.prepare import prepare_table
    from runtime.bundle import file_digest

    prices = parse_costs(detector, costs)
    clock = datetime.now(UTC)
    parameters: dict[str, object] = {"detector": detector, "profile": profile, "seed": seed, **asdict(prices)}
    with first_step_run("prepare-data", pipeline, job, parameters) as (run_id, run):
        made = prepare_table(detector, data, table, profile=profile, until=clock, seed=seed, rows=rows)
        count = made.rows + (_join_lived(table, run, clock) if detector == "card" else 0)
        digest = file_digest(table)
        run.params({"source": made.source, "data_digest": digest, "trials": trials or "by profile"})
        run.metrics({"rows": count})
        annotate_pipeline_run(run_id, {"data_digest": digest, "source": made.source})
    return Opened(run_id, clock.isoformat(), DETECTORS[detector].model, count)


def _join_lived(table: Path, run: "RunLogger", clock: datetime) -> int:
    """Join what the platform has decided about, with the labels that came back; returns how many rows that added."""
    from components.fraud.cards.lived import join_lived
    from runtime.decision_log import open_decision_log

    log = open_decision_log()
    try:
        lived = join_lived(table, log, clock)
    finally:
        log.close()
    run.params({"decided_rows": lived.rows, "decided_frauds": lived.frauds, "decided_left_out": lived.left_out})
    return lived.rows


def parse_costs(detector: str, text: str) -> Costs:
    """Costs of a detector: its defaults, changed by a text such as `review_minor=300,declined_share=0.02`.

    `missed_minor=amount` prices a missed fraud at its amount.

    Raises:
        CostsError: A name or a value that is no cost.
    """
    if detector not in COSTS:
        raise CostsError(f"there is no detector {detector!r}; choose one of {', '.join(COSTS)}")
    changed: dict[str, int | float | None] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, _, value = (side.strip() for side in part.partition("="))
        known = list(asdict(COSTS[detector]))
        if name not in known:
            raise CostsError(f"{part!r} is no cost; write name=value, the names being {', '.join(known)}")
        try:
            changed[name] = _price(name, value)
        except ValueError as error:
            raise CostsError(f"{name} must be a number, received {value!r}") from error
    costs: Costs = replace(COSTS[detector], **changed)  # type: ignore[arg-type]
    if costs.by_amount and detector != "card":
        raise CostsError(f"only cards have amounts; give a fixed missed_minor and no declined_share for {detector}")
    return costs


def trials_of(profile: str, learner: str, trials: int) -> int:
    """How many trials a search has: what was asked for, or the profile's."""
    return trials or TRIALS[profile][learner]


def validate(table: Path, report: Path, *, pipeline: str, run_id: str, detector: str, clock: str) -> tuple[bool, str]:
    """Validate the table; returns whether it passed, and what failed for a person to read."""
    from components.fraud.validation import validate_table

    with step_run("validate-data", pipeline, run_id) as run:
        outcome = validate_table(table, report, detector=detector, clock=datetime.fromisoformat(clock))
        failures = "; ".join(f"{check.name}: {check.detail or check.says}" for check in outcome.failures)
        run.metrics({"passed": outcome.passed, "checks": len(outcome.checks), "failed_checks": len(outcome.failures)})
        run.document("validation.json", outcome.to_dict())
        keep_file(run, report, "validation.html")
        if not outcome.passed:
            annotate_pipeline_run(run_id, {"failed_expectations": failures})
    return outcome.passed, failures


def features(table: Path, output: Path, *, pipeline: str, run_id: str, detector: str) -> str:
    """Write the features of every row; returns the digest of their definitions.

    Flows and accounts are encoded as they are read, so that their table is handed on as it is.
    """
    with step_run("build-features", pipeline, run_id) as run:
        output.parent.mkdir(parents=True, exist_ok=True)
        if detector == "card":
            from components.fraud.cards.history import build_history

            built = build_history(table, output)
            run.metrics({"rows": built.rows, "frauds": built.frauds, "seconds": built.seconds})
        else:
            shutil.copyfile(table, output)
        digest = DETECTORS[detector].feature_digest
        run.params({"feature_digest": digest})
    return digest


def train(
    table: Path,
    candidate: Path,
    *,
    pipeline: str,
    run_id: str,
    detector: str,
    learner: str,
    profile: str,
    trials: int,
    seed: int,
    costs: str,
) -> Mapping[str, float]:
    """Train one learner; returns its metrics. Every trial of its search is a nested run that ends as it ends."""
    from components.fraud.training import LEARNERS, TrainingError, fit_candidate

    known = next((name for name in LEARNERS if name == learner), None)
    if known is None:
        raise TrainingError(f"there is no learner {learner!r}; choose one of {', '.join(LEARNERS)}")
    with step_run(f"fit-{learner.replace('_', '-')}", pipeline, run_id) as run:

        def tell(trial: "TrialReport") -> None:
            report_progress(str(trial))
            with run.child(f"{learner} trial {trial.number}", {"learner": learner}) as child:
                child.params(trial.settings)
                child.metrics({"stop_average_precision": trial.average_precision, "seconds": trial.seconds})

        made = fit_candidate(
            table,
            candidate,
            detector=detector,
            learner=known,
            split=split_of(table, detector, seed),
            costs=parse_costs(detector, costs),
            trials=trials_of(profile, learner, trials),
            seed=seed,
            progress=tell,
        )
        run.params({"detector": detector, "learner": learner, **made.parameters})
        run.metrics({**made.metrics, "seconds": made.seconds})
        run.artifact(candidate, "candidate")
        remember_run(candidate, run.run_id)
    return made.metrics


def split_of(table: Path, detector: str, seed: int) -> "Split":
    """The slices of a feature table; the same for training and evaluation where table and seed are the same."""
    from components.fraud.splits import card_split, grouped_split

    if detector == "card":
        return card_split(table, timedelta(seconds=DETECTORS[detector].label_delay_seconds))
    return grouped_split(table, seed)


@dataclass(frozen=True)
class Evaluated:
    """What the gate is told of an evaluation beside its files; `block_seconds` is the least bootstrap block."""

    champion_scored: bool
    champion_reason: str
    block_seconds: int
    headlines: Mapping[str, float]


def evaluate(
    table: Path,
    candidates: Mapping[str, Path],
    champion: Path,
    evaluated: Path,
    report: Path,
    *,
    pipeline: str,
    run_id: str,
    detector: str,
    profile: str,
    seed: int,
    costs: str,
) -> Evaluated:
    """Score candidates and champion on the same rows.

    Args:
        table: The feature table.
        candidates: Candidate name → folder.
        champion: Folder that holds the champion's bundle in `bundle/`, or no such folder where there is no champion.
        evaluated: Receives `losses.parquet`, `metrics.json`, `report.html`, and `candidates/<name>/` as scored.
        report: Receives the report again, for the back-end's page.
        pipeline: Whose run it is.
        run_id: The pipeline's MLflow run.
        detector: Whose table it is.
        profile: `quick` or `full`.
        seed: The one that training split with.
        costs: As `parse_costs` reads it.
    """
    from components.fraud.evaluation import evaluate as score

    bundle = champion / CHAMPION_BUNDLE
    with step_run("evaluate", pipeline, run_id) as run:
        found = score(
            table,
            candidates,
            bundle if bundle.is_dir() else None,
            split_of(table, detector, seed),
            evaluated,
            costs=parse_costs(detector, costs),
            profile=profile,
        )
        shutil.copyfile(found.report, report)
        run.params({"winner": found.winner, "rows": found.rows, "block_seconds": found.block_seconds})
        run.metrics(found.metrics)
        run.artifact(found.report)
        run.artifact(found.metrics_path)
        annotate_pipeline_run(run_id, {"winner": found.winner, "champion_unscored_because": found.champion_reason})
    headlines = {key: value for key, value in found.metrics.items() if key.partition("/")[2] in HEADLINES}
    return Evaluated(found.champion_scored, found.champion_reason, found.block_seconds, headlines)


def materialise(table: Path, *, pipeline: str, run_id: str, detector: str, clock: str) -> str:
    """Bring the states of customers and terminals online; returns the moment they stand at, empty but for cards."""
    with step_run("materialise-states", pipeline, run_id) as run:
        if detector != "card":
            run.tags({"skipped": f"the {detector} detector takes its features from the request"})
            return ""
        from components.fraud.feature_writer.materialise import materialise_states

        done = materialise_states(table, datetime.fromisoformat(clock))
        run.params({"feature_digest": done.feature_digest, "as_of": clock, "sequence": done.sequence})
        run.metrics({"customers": done.customers, "terminals": done.terminals, "logged_events": done.logged_events})
        annotate_pipeline_run(run_id, {"as_of": clock})
    return clock


def _price(name: str, value: str) -> int | float | None:
    if name == "missed_minor" and value == "amount":
        return None
    return float(value) if name == "declined_share" else int(value)

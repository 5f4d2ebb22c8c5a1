"""What the crypto steps do: one call into the family each, and what of it is written to MLflow.

Every function runs inside a step's process; `pipeline` and `run_id` say which MLflow run it belongs to.
"""

import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from components.pipeline_run import (
    CHAMPION_BUNDLE,
    annotate_pipeline_run,
    first_step_run,
    keep_file,
    remember_run,
    step_run,
)
from components.step_run import report_progress

HEADLINES = ("pinball", "relative_pinball", "coverage_80", "coverage_95")


@dataclass(frozen=True)
class Opened:
    """What the first step tells all others."""

    run_id: str
    source_clock: str
    registered_model: str
    rows: int


def ingest(
    candles: Path,
    report: Path,
    *,
    pipeline: str,
    job: str,
    symbols: list[str],
    timeframe: str,
    source: str,
    profile: str = "",
    horizon_bars: int = 0,
    seed: int = 0,
) -> Opened:
    """Open the pipeline's MLflow run and ingest candles.

    Args:
        candles: Receives the `candles` table.
        report: Receives a page on what was brought.
        pipeline: Whose run it is.
        job: The back-end's id of the pipeline run.
        symbols: Base currencies.
        timeframe: Length of a bar.
        source: Empty means the one in the settings.
        profile: Training profile, written down with the run; empty where nothing is trained.
        horizon_bars: Longest horizon, written down with the profile.
        seed: Seed of training, written down with the profile.
    """
    from components.crypto.ingest import ingest_candles

    parameters: dict[str, object] = {"symbols": ",".join(symbols), "timeframe": timeframe}
    if profile:
        parameters |= {"profile": profile, "horizon_bars": horizon_bars, "seed": seed}
    with first_step_run("ingest-candles", pipeline, job, parameters) as (run_id, run):
        ingested = ingest_candles(candles, symbols=symbols, timeframe=timeframe, source=source or None)
        report.write_text(ingested.to_markdown())
        run.params({"source": ingested.source, "market": ingested.market, "data_digest": ingested.data_digest})
        run.metrics({"rows": ingested.rows, "series": len(ingested.series)})
        run.document("ingest.json", ingested.to_dict())
        annotate_pipeline_run(
            run_id, {"data_digest": ingested.data_digest, "source_clock": ingested.source_clock.isoformat()}
        )
    return Opened(run_id, ingested.source_clock.isoformat(), registered_model(timeframe), ingested.rows)


def registered_model(timeframe: str) -> str:
    """Name of the registered model of a timeframe."""
    return f"crypto-forecast-{timeframe}"


def validate(
    candles: Path, report: Path, *, pipeline: str, run_id: str, timeframe: str, source_clock: str
) -> tuple[bool, str]:
    """Validate candles; returns whether they passed, and what failed for a person to read."""
    from components.crypto.validation import validate_candles

    with step_run("validate-candles", pipeline, run_id) as run:
        outcome = validate_candles(
            candles, report, timeframe=timeframe, source_clock=datetime.fromisoformat(source_clock)
        )
        failures = "; ".join(f"{check.name}: {check.detail or check.says}" for check in outcome.failures)
        run.metrics({"passed": outcome.passed, "checks": len(outcome.checks), "failed_checks": len(outcome.failures)})
        run.document("validation.json", outcome.to_dict())
        keep_file(run, report, "validation.html")
        if not outcome.passed:
            annotate_pipeline_run(run_id, {"failed_expectations": failures})
    return outcome.passed, failures


def features(candles: Path, table: Path, *, pipeline: str, run_id: str) -> str:
    """Compute the feature table; returns the digest of its definitions."""
    from components.crypto.features import build_features

    with step_run("build-features", pipeline, run_id) as run:
        built = build_features(candles, table)
        run.params({"feature_digest": built.feature_digest, "data_digest": built.data_digest})
        run.metrics({"rows": built.rows, "filled_bars": built.filled_bars, "restarts": built.restarts})
    return built.feature_digest


def training_set(candles: Path, table: Path, output: Path, *, pipeline: str, run_id: str) -> int:
    """Read the training set point in time from the feature store; returns its rows."""
    from components.crypto.training_set import read_training_features

    with step_run("read-training-set", pipeline, run_id) as run:
        read = read_training_features(candles, table, output)
        run.params({"feature_digest": read.feature_digest})
        run.metrics({"rows": read.rows, "seconds": read.seconds})
    return read.rows


def train(
    table: Path,
    candidate: Path,
    curve: Path,
    *,
    pipeline: str,
    run_id: str,
    network: str,
    profile: str,
    seed: int,
    horizon_bars: int,
) -> Mapping[str, float]:
    """Train one network; returns its metrics. The learning curve goes to MLflow whole, also after a resume."""
    from components.crypto.training import LEARNING_CURVE, fit_candidate

    with step_run(f"train-{network}", pipeline, run_id) as run:
        made = fit_candidate(
            table,
            candidate,
            network=network,
            profile=profile,
            seed=seed,
            horizon_bars=horizon_bars,
            progress=lambda epoch: report_progress(str(epoch)),
        )
        run.params({**made.parameters, "data_digest": made.data_digest, "feature_digest": made.feature_digest})
        run.metrics({**made.metrics, "seconds": made.seconds})
        lines = _curve_lines(candidate / LEARNING_CURVE)
        for number, line in enumerate(lines):
            run.metrics({key: line[key] for key in ("train_loss", "stop_loss", "learning_rate")}, step=number)
        write_learning_curve(curve, network, lines)
        keep_file(run, curve, "learning_curve.html")
        run.artifact(candidate, "candidate")
        remember_run(candidate, run.run_id)
    return made.metrics


def fit_baseline(table: Path, candidate: Path, *, pipeline: str, run_id: str, horizon_bars: int) -> Mapping[str, float]:
    """Fit the HAR baseline as a candidate; returns its metrics."""
    from components.crypto.har import fit_har_candidate

    with step_run("fit-har", pipeline, run_id) as run:
        made = fit_har_candidate(table, candidate, horizon_bars=horizon_bars)
        run.params({**made.parameters, "data_digest": made.data_digest, "feature_digest": made.feature_digest})
        run.metrics({**made.metrics, "seconds": made.seconds})
        run.artifact(candidate, "candidate")
        remember_run(candidate, run.run_id)
    return made.metrics


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
    profile: str,
    horizon_bars: int,
    timeframe: str,
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
        profile: `quick` or `full`.
        horizon_bars: Longest horizon H.
        timeframe: Length of a bar.
    """
    from components.crypto.evaluation import evaluate_candidates
    from components.crypto.series import Timeframe

    bundle = champion / CHAMPION_BUNDLE
    with step_run("evaluate", pipeline, run_id) as run:
        found = evaluate_candidates(
            table,
            candidates,
            evaluated,
            champion=bundle if bundle.is_dir() else None,
            profile="full" if profile == "full" else "quick",
            horizon_bars=horizon_bars,
        )
        for name, folder in candidates.items():
            shutil.copytree(folder, evaluated / "candidates" / name)
        shutil.copyfile(found.report, report)
        run.params({"winner": found.winner, "rows": found.rows, "stride_bars": found.stride_bars})
        run.metrics(found.metrics)
        run.artifact(found.report)
        run.artifact(found.metrics_path)
        annotate_pipeline_run(run_id, {"winner": found.winner, "champion_unscored_because": found.champion_reason})
    headlines = {key: value for key, value in found.metrics.items() if key.partition("/")[2] in HEADLINES}
    block_seconds = horizon_bars * Timeframe(timeframe).seconds
    return Evaluated(found.champion_scored, found.champion_reason, block_seconds, headlines)


def materialise(candles: Path, table: Path, *, pipeline: str, run_id: str) -> str:
    """Bring each series' latest window online; returns the newest event time, or an empty text where none was new."""
    from components.crypto.materialise import materialise_windows

    with step_run("materialise-features", pipeline, run_id) as run:
        done = materialise_windows(candles, table)
        as_of = done.as_of.isoformat() if done.as_of else ""
        run.params({"feature_digest": done.feature_digest, "as_of": as_of})
        run.metrics({"rows": done.rows, "written": len(done.written), "kept": len(done.kept)})
        run.tags({"skipped": json.dumps(done.skipped)})
        annotate_pipeline_run(run_id, {"as_of": as_of})
    return as_of


def write_learning_curve(page: Path, network: str, lines: list[Mapping[str, float]]) -> None:
    """Draw losses over epochs into a page that needs no network."""
    import io

    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for member in sorted({int(line["member"]) for line in lines}):
        own = [line for line in lines if line["member"] == member]
        epochs = [line["epoch"] + 1 for line in own]
        for key, style in (("train_loss", "--"), ("stop_loss", "-")):
            axes.plot(epochs, [line[key] for line in own], style, label=f"{key.replace('_', ' ')}, member {member + 1}")
    axes.set(title=f"{network}: learning curve", xlabel="epoch", ylabel="pinball loss")
    axes.legend()
    drawn = io.StringIO()
    figure.savefig(drawn, format="svg")
    picture = drawn.getvalue().partition("<svg")[2]
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(f"<!doctype html><meta charset='utf-8'><title>{network}</title><svg{picture}")


def _curve_lines(path: Path) -> list[Mapping[str, float]]:
    with path.open(newline="") as stream:
        return [{key: float(value) for key, value in line.items()} for line in csv.DictReader(stream)]

"""The evaluation from a feature table and candidate folders to losses, metrics and a report."""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from components.crypto.dataset import Dataset, load_dataset
from components.crypto.evaluation.contenders import (
    REFERENCE,
    Contender,
    EvaluationError,
    baseline_contenders,
    model_contenders,
)
from components.crypto.evaluation.report import Evaluation, write_report
from components.crypto.evaluation.rows import ScoredRows, scored_rows
from components.crypto.evaluation.scores import Scores, score
from components.crypto.metrics import pinball_losses
from components.crypto.series import Series
from feature_repo.crypto import HORIZON_BARS

LOSSES = "losses.parquet"
METRICS = "metrics.json"
REPORT = "report.html"

SliceName = Literal["stop", "calibrate", "gate"]
Profile = Literal["quick", "full"]

REPORTED_HORIZONS = (1, 6, 24)
EXAMPLES = 4


@dataclass(frozen=True)
class _ProfileSettings:
    max_rows: int | None
    resamples: int
    garch_refits: int


_PROFILES: Mapping[str, _ProfileSettings] = {
    "quick": _ProfileSettings(max_rows=30_000, resamples=300, garch_refits=1),
    "full": _ProfileSettings(max_rows=None, resamples=1000, garch_refits=4),
}


@dataclass(frozen=True)
class EvaluationReport:
    """What an evaluation found.

    Attributes:
        winner: The candidate with the least mean of the losses table, as the release room reckons; no champion and no
            baseline, unless HAR is a candidate.
        metrics: Flat, `<contender>/<score>`, `_low` and `_high` for the interval's ends, and
            `<contender>/relative_pinball_<SYMBOL>_<h>` by cell.
        champion_reason: Why the champion could not be compared; empty where it was, or where there is none.
        champion_scored: Whether the losses hold rows of the champion.
        rows: Scored rows, each with H horizons.
        stride_bars: Bars between two origins.
        losses: Path of the losses table.
        metrics_path: Path of the metrics file.
        report: Path of the HTML report.
        seconds: How long it took.
    """

    winner: str
    metrics: Mapping[str, float]
    champion_reason: str
    champion_scored: bool
    rows: int
    stride_bars: int
    losses: Path
    metrics_path: Path
    report: Path
    seconds: float


def evaluate_candidates(
    features: Path,
    candidates: Mapping[str, Path],
    output: Path,
    *,
    champion: Path | None = None,
    baselines: Sequence[str] = ("unconditional", "ewma", "har", "garch"),
    slice: SliceName = "gate",  # noqa: A002 - the word that the splits use
    stride_bars: int = 1,
    profile: Profile = "quick",
    horizon_bars: int = HORIZON_BARS,
) -> EvaluationReport:
    """Score candidates, champion and baselines on the same rows of a held-out slice.

    Every bar of the slice is an origin; models answer through their ONNX bytes, baselines are fitted on what was known
    before the slice (in the full profile GARCH again at later origins).

    Args:
        features: The feature table.
        candidates: Candidate name → folder; a candidate named `har` replaces the baseline of that name.
        output: Folder for `losses.parquet`, `metrics.json` and `report.html`.
        champion: The champion's bundle; scored where its inputs and outputs are those of the data.
        baselines: Names; the unconditional quantiles are always among them.
        slice: Which slice of the standard split.
        stride_bars: Bars between two origins; `quick` raises it above 30,000 rows.
        profile: `quick` or `full`.
        horizon_bars: Longest horizon H.

    Raises:
        EvaluationError: There is no candidate, one does not fit the data or answers what no forecast can be.
        CandidateError: A folder is unfinished.
        DatasetError: The table is not a feature table.
        SplitError: The history is too short.
        BaselineError: It is too short for a baseline.
        BootstrapError: The slice holds fewer than two time blocks.
    """
    started = time.perf_counter()
    if not candidates:
        raise EvaluationError("there is no candidate to evaluate; train at least one")
    if profile not in _PROFILES:
        raise EvaluationError(f"no evaluation profile {profile!r}; choose one of {', '.join(_PROFILES)}")
    settings = _PROFILES[profile]
    dataset = load_dataset(features, horizon_bars)
    models, champion_reason = model_contenders(dataset, candidates, champion)
    others = baseline_contenders(dataset, baselines, list(candidates), refits={"garch": settings.garch_refits})
    contenders = [*models, *others]
    interval = {"stop": dataset.split().stop, "calibrate": dataset.split().calibrate, "gate": dataset.split().gate}
    rows = scored_rows(
        dataset,
        interval[slice],
        max(c.window_bars for c in contenders),
        stride_bars=stride_bars,
        max_rows=settings.max_rows,
    )
    scores = _score_all(contenders, rows, settings.resamples)
    ranked = [s for s in scores if s.contender.kind == "candidate"]
    winner = min(ranked, key=lambda s: s.estimates["pinball"].value).contender.name
    output.mkdir(parents=True, exist_ok=True)
    _write_losses(output / LOSSES, scores, rows, dataset)
    metrics = _flat(scores, dataset)
    (output / METRICS).write_text(json.dumps(metrics, indent=2, sort_keys=True, allow_nan=False) + "\n")
    page = Evaluation(
        dataset=dataset,
        rows=rows,
        scores=scores,
        winner=winner,
        slice_name=slice,
        profile=profile,
        champion_reason=champion_reason,
        examples=example_positions(rows),
    )
    write_report(output / REPORT, page)
    return EvaluationReport(
        winner=winner,
        metrics=metrics,
        champion_reason=champion_reason,
        champion_scored=any(s.contender.kind == "champion" for s in scores),
        rows=len(rows.rows),
        stride_bars=rows.stride_bars,
        losses=output / LOSSES,
        metrics_path=output / METRICS,
        report=output / REPORT,
        seconds=time.perf_counter() - started,
    )


def _score_all(contenders: Sequence[Contender], rows: ScoredRows, resamples: int) -> list[Scores]:
    reference = next(c for c in contenders if c.name == REFERENCE)
    reference_losses = pinball_losses(rows.targets, reference.predict(rows.rows)).mean(axis=2)
    examples = example_positions(rows)
    return [
        score(c, c.predict(rows.rows), rows, reference_losses, example_rows=examples, resamples=resamples)
        for c in contenders
    ]


def example_positions(rows: ScoredRows) -> list[int]:
    """Positions of the forecasts that the report draws: evenly through the slice, the series taking turns."""
    present = np.unique(rows.series)
    moments = np.unique(rows.ds)
    chosen = []
    for number in range(EXAMPLES):
        wanted = moments[int((number + 0.5) / EXAMPLES * len(moments))]
        own = np.flatnonzero(rows.series == present[number % len(present)])
        chosen.append(int(own[np.argmin(np.abs(rows.ds[own] - wanted))]))
    return chosen


def _flat(scores: Sequence[Scores], dataset: Dataset) -> dict[str, float]:
    flat: dict[str, float] = {}
    symbols = [Series.parse(unique_id).symbol for unique_id in dataset.unique_ids]
    for s in scores:
        name = s.contender.name
        for what, estimate in s.estimates.items():
            flat[f"{name}/{what}"] = estimate.value
            flat[f"{name}/{what}_low"] = estimate.low
            flat[f"{name}/{what}_high"] = estimate.high
        for number, cells in enumerate(s.relative):
            for horizon in REPORTED_HORIZONS:
                if horizon <= len(cells) and np.isfinite(cells[horizon - 1]):
                    flat[f"{name}/relative_pinball_{symbols[number]}_{horizon}"] = float(cells[horizon - 1])
    return flat


def _write_losses(path: Path, scores: Sequence[Scores], rows: ScoredRows, dataset: Dataset) -> None:
    """One row a contender, series, bar and horizon, in the same order for every contender."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    count, horizons = rows.targets.shape
    names = pa.array(dataset.unique_ids, pa.string())
    series = pa.DictionaryArray.from_arrays(np.repeat(rows.series, horizons).astype(np.int32), names)
    shared = {
        "unique_id": series.cast(pa.string()),
        "ds": pa.array(np.repeat(rows.ds, horizons), pa.timestamp("us", tz="UTC")),
        "horizon": pa.array(np.tile(np.arange(1, horizons + 1, dtype=np.int32), count)),
    }
    schema = pa.schema([("candidate", pa.string()), *((n, a.type) for n, a in shared.items()), ("loss", pa.float64())])
    schema = schema.with_metadata({"loss": "pinball"})
    partial = path.with_name(path.name + ".partial")
    with pq.ParquetWriter(partial, schema, compression="zstd") as writer:
        for s in scores:
            candidate = pa.repeat(s.contender.name, count * horizons)
            arrays = [candidate, *shared.values(), pa.array(s.losses.ravel())]
            writer.write_table(pa.table(arrays, schema=schema))
    partial.replace(path)

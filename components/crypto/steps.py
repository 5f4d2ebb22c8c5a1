"""The crypto family's steps: thin typed faces, one import and one call each.

Only pipelines import this module, since the annotations need Kubeflow Pipelines. Annotations are read where nothing but
its names and those of `typing` is known.
"""

from typing import NamedTuple

from kfp import dsl

from components.step import step


@step
def ingest_candles(
    candles: dsl.Output[dsl.Dataset],
    report: dsl.Output[dsl.Markdown],
    pipeline: str,
    job: str,
    symbols: list[str],
    timeframe: str,
    source: str,
    profile: str = "",
    horizon_bars: int = 0,
    seed: int = 0,
) -> NamedTuple("Outputs", [("run_id", str), ("source_clock", str), ("registered_model", str)]):  # type: ignore[valid-type]
    """Open the pipeline's MLflow run and ingest candles.

    Args:
        candles: Parquet, the `candles` table.
        report: What was brought and what was wrong with it.
        pipeline: Name of the pipeline.
        job: The back-end's id of the pipeline run.
        symbols: Base currencies, such as `BTC`.
        timeframe: Length of a bar.
        source: `recorded`, `exchange` or `coingecko`; empty means the one in the settings.
        profile: Written down with the run, as the next two; empty where nothing is trained.
        horizon_bars: Longest horizon.
        seed: Of training.
    """
    from pathlib import Path

    from components.crypto.tracked import ingest

    opened = ingest(
        Path(candles.path),
        Path(report.path),
        pipeline=pipeline,
        job=job,
        symbols=symbols,
        timeframe=timeframe,
        source=source,
        profile=profile,
        horizon_bars=int(horizon_bars),
        seed=int(seed),
    )
    candles.metadata.update({"rows": opened.rows})
    return (opened.run_id, opened.source_clock, opened.registered_model)


@step
def validate_candles(
    candles: dsl.Input[dsl.Dataset],
    report: dsl.Output[dsl.HTML],
    pipeline: str,
    run_id: str,
    timeframe: str,
    source_clock: str,
) -> NamedTuple("Outputs", [("passed", bool), ("failures", str)]):  # type: ignore[valid-type]
    """Check candles against the Great Expectations suite; ends well whether they pass or not, so that its page is kept.

    Args:
        candles: Parquet, the `candles` table.
        report: A page that reads offline.
        pipeline: Name of the pipeline.
        run_id: The pipeline's MLflow run.
        timeframe: Length of a bar.
        source_clock: RFC 3339 moment of the candles' source.
    """
    from pathlib import Path

    from components.crypto.tracked import validate

    return validate(
        Path(candles.path),
        Path(report.path),
        pipeline=pipeline,
        run_id=run_id,
        timeframe=timeframe,
        source_clock=source_clock,
    )


@step
def build_features(
    candles: dsl.Input[dsl.Dataset], features: dsl.Output[dsl.Dataset], pipeline: str, run_id: str
) -> str:
    """Compute the feature table; returns the digest of the feature definitions."""
    from pathlib import Path

    from components.crypto.tracked import features as compute

    digest = compute(Path(candles.path), Path(features.path), pipeline=pipeline, run_id=run_id)
    features.metadata.update({"feature_digest": digest})
    return digest


@step
def read_training_set(
    candles: dsl.Input[dsl.Dataset],
    features: dsl.Input[dsl.Dataset],
    training_set: dsl.Output[dsl.Dataset],
    pipeline: str,
    run_id: str,
) -> int:
    """Publish the features and read them back point in time from Feast; returns the rows."""
    from pathlib import Path

    from components.crypto.tracked import training_set as read

    rows = read(Path(candles.path), Path(features.path), Path(training_set.path), pipeline=pipeline, run_id=run_id)
    training_set.metadata.update({"rows": rows})
    return rows


@step
def train_forecaster(
    features: dsl.Input[dsl.Dataset],
    candidate: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    learning_curve: dsl.Output[dsl.HTML],
    pipeline: str,
    run_id: str,
    network: str,
    profile: str,
    horizon_bars: int,
    seed: int,
) -> None:
    """Train one quantile forecaster, calibrate it and export it.

    Args:
        features: Parquet, the training set.
        candidate: Folder with the ONNX graph and what describes it.
        metrics: Losses of training and of the calibration slice.
        learning_curve: Losses over epochs.
        pipeline: Name of the pipeline.
        run_id: The pipeline's MLflow run.
        network: `lstm` or `transformer`.
        profile: `quick` or `full`.
        horizon_bars: Longest horizon H.
        seed: Decides everything random.
    """
    from pathlib import Path

    from components.crypto.tracked import train

    made = train(
        Path(features.path),
        Path(candidate.path),
        Path(learning_curve.path),
        pipeline=pipeline,
        run_id=run_id,
        network=network,
        profile=profile,
        horizon_bars=int(horizon_bars),
        seed=int(seed),
    )
    candidate.metadata.update({"network": network})
    metrics.metadata.update(made)


@step
def fit_baseline(
    features: dsl.Input[dsl.Dataset],
    candidate: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    pipeline: str,
    run_id: str,
    horizon_bars: int,
) -> None:
    """Fit HAR volatility as a candidate like the networks."""
    from pathlib import Path

    from components.crypto.tracked import fit_baseline as fit

    made = fit(
        Path(features.path),
        Path(candidate.path),
        pipeline=pipeline,
        run_id=run_id,
        horizon_bars=int(horizon_bars),
    )
    candidate.metadata.update({"network": "har"})
    metrics.metadata.update(made)


@step
def evaluate(
    features: dsl.Input[dsl.Dataset],
    lstm: dsl.Input[dsl.Model],
    transformer: dsl.Input[dsl.Model],
    har: dsl.Input[dsl.Model],
    champion: dsl.Input[dsl.Model],
    evaluated: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
    pipeline: str,
    run_id: str,
    profile: str,
    timeframe: str,
    horizon_bars: int,
) -> NamedTuple("Outputs", [("champion_scored", bool), ("champion_reason", str), ("block_seconds", int)]):  # type: ignore[valid-type]
    """Score the candidates and the champion on the same held-out rows.

    Args:
        features: Parquet, the training set.
        lstm: A candidate.
        transformer: A candidate.
        har: A candidate.
        champion: Folder with the champion's bundle, if there is a champion.
        evaluated: Folder with losses, metrics, report and the candidates as scored.
        metrics: The scores that matter most.
        report: A page with plots.
        pipeline: Name of the pipeline.
        run_id: The pipeline's MLflow run.
        profile: `quick` or `full`.
        timeframe: Length of a bar.
        horizon_bars: Longest horizon H.
    """
    from pathlib import Path

    from components.crypto.tracked import evaluate as score

    found = score(
        Path(features.path),
        {"lstm": Path(lstm.path), "transformer": Path(transformer.path), "har": Path(har.path)},
        Path(champion.path),
        Path(evaluated.path),
        Path(report.path),
        pipeline=pipeline,
        run_id=run_id,
        profile=profile,
        horizon_bars=int(horizon_bars),
        timeframe=timeframe,
    )
    metrics.metadata.update(found.headlines)
    return (found.champion_scored, found.champion_reason, found.block_seconds)


@step
def materialise_features(
    candles: dsl.Input[dsl.Dataset], features: dsl.Input[dsl.Dataset], pipeline: str, run_id: str
) -> str:
    """Bring each series' latest window online; returns the newest event time."""
    from pathlib import Path

    from components.crypto.tracked import materialise

    return materialise(Path(candles.path), Path(features.path), pipeline=pipeline, run_id=run_id)

"""The fraud family's steps: thin typed faces, one import and one call each.

Only pipelines import this module, since the annotations need Kubeflow Pipelines. Annotations are read where nothing but
its names and those of `typing` is known.
"""

from typing import NamedTuple

from kfp import dsl

from components.step import step


@step
def prepare_data(
    table: dsl.Output[dsl.Dataset],
    pipeline: str,
    job: str,
    detector: str,
    data: str,
    profile: str,
    rows: int,
    trials: int,
    seed: int,
    costs: str,
) -> NamedTuple("Outputs", [("run_id", str), ("clock", str), ("registered_model", str)]):  # type: ignore[valid-type]
    """Open the pipeline's MLflow run and write the detector's table.

    Args:
        table: Parquet: `transactions`, `flows` or `accounts`.
        pipeline: Name of the pipeline.
        job: The back-end's id of the pipeline run.
        detector: `card`, `network` or `crypto`.
        data: Path of a set; empty for the simulator of cards.
        profile: `quick` or `full`.
        rows: Simulated transactions; 0 follows the profile.
        trials: Of each search; 0 follows the profile.
        seed: Decides everything random.
        costs: Changes to the detector's costs, such as `review_minor=300`.
    """
    from pathlib import Path

    from components.fraud.tracked import prepare

    opened = prepare(
        Path(table.path),
        pipeline=pipeline,
        job=job,
        detector=detector,
        data=data,
        profile=profile,
        rows=int(rows),
        trials=int(trials),
        seed=int(seed),
        costs=costs,
    )
    table.metadata.update({"rows": opened.rows})
    return (opened.run_id, opened.clock, opened.registered_model)


@step
def validate_data(
    table: dsl.Input[dsl.Dataset],
    report: dsl.Output[dsl.HTML],
    pipeline: str,
    run_id: str,
    detector: str,
    clock: str,
) -> NamedTuple("Outputs", [("passed", bool), ("failures", str)]):  # type: ignore[valid-type]
    """Check the table against its Great Expectations suite; ends well in any case, so that its page is kept.

    Args:
        table: Parquet: `transactions`, `flows` or `accounts`.
        report: A page that reads offline.
        pipeline: Name of the pipeline.
        run_id: The pipeline's MLflow run.
        detector: Whose table it is.
        clock: RFC 3339 moment when the run began.
    """
    from pathlib import Path

    from components.fraud.tracked import validate

    return validate(
        Path(table.path), Path(report.path), pipeline=pipeline, run_id=run_id, detector=detector, clock=clock
    )


@step
def build_features(
    table: dsl.Input[dsl.Dataset], features: dsl.Output[dsl.Dataset], pipeline: str, run_id: str, detector: str
) -> str:
    """Compute the features of every row; returns the digest of the feature definitions."""
    from pathlib import Path

    from components.fraud.tracked import features as compute

    digest = compute(Path(table.path), Path(features.path), pipeline=pipeline, run_id=run_id, detector=detector)
    features.metadata.update({"feature_digest": digest})
    return digest


@step
def fit_detector(
    features: dsl.Input[dsl.Dataset],
    candidate: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    pipeline: str,
    run_id: str,
    detector: str,
    learner: str,
    profile: str,
    trials: int,
    seed: int,
    costs: str,
) -> None:
    """Search settings for one learner, fit it, calibrate it, choose its thresholds and export it.

    Args:
        features: Parquet: card features, flows or accounts.
        candidate: Folder with the ONNX graph and what describes it.
        metrics: What training measured.
        pipeline: Name of the pipeline.
        run_id: The pipeline's MLflow run.
        detector: Whose table it is.
        learner: `xgboost` or `random_forest`.
        profile: `quick` or `full`.
        trials: Of the search; 0 follows the profile.
        seed: Decides everything random.
        costs: Changes to the detector's costs.
    """
    from pathlib import Path

    from components.fraud.tracked import train

    made = train(
        Path(features.path),
        Path(candidate.path),
        pipeline=pipeline,
        run_id=run_id,
        detector=detector,
        learner=learner,
        profile=profile,
        trials=int(trials),
        seed=int(seed),
        costs=costs,
    )
    candidate.metadata.update({"learner": learner})
    metrics.metadata.update(made)


@step
def evaluate(
    features: dsl.Input[dsl.Dataset],
    xgboost: dsl.Input[dsl.Model],
    random_forest: dsl.Input[dsl.Model],
    champion: dsl.Input[dsl.Model],
    evaluated: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    report: dsl.Output[dsl.HTML],
    pipeline: str,
    run_id: str,
    detector: str,
    profile: str,
    seed: int,
    costs: str,
) -> NamedTuple("Outputs", [("champion_scored", bool), ("champion_reason", str), ("block_seconds", int)]):  # type: ignore[valid-type]
    """Score the candidates and the champion on the same held-out rows.

    Args:
        features: Parquet: card features, flows or accounts.
        xgboost: A candidate.
        random_forest: A candidate.
        champion: Folder with the champion's bundle, if there is a champion.
        evaluated: Folder with losses, metrics, report and the candidates as scored.
        metrics: The scores that matter most.
        report: A page with plots.
        pipeline: Name of the pipeline.
        run_id: The pipeline's MLflow run.
        detector: Whose table it is.
        profile: `quick` or `full`.
        seed: The one that training split with.
        costs: Changes to the detector's costs.
    """
    from pathlib import Path

    from components.fraud.tracked import evaluate as score

    found = score(
        Path(features.path),
        {"xgboost": Path(xgboost.path), "random_forest": Path(random_forest.path)},
        Path(champion.path),
        Path(evaluated.path),
        Path(report.path),
        pipeline=pipeline,
        run_id=run_id,
        detector=detector,
        profile=profile,
        seed=int(seed),
        costs=costs,
    )
    metrics.metadata.update(found.headlines)
    return (found.champion_scored, found.champion_reason, found.block_seconds)


@step
def materialise_states(table: dsl.Input[dsl.Dataset], pipeline: str, run_id: str, detector: str, clock: str) -> str:
    """Bring the states of customers and terminals online; returns the moment they stand at, empty but for cards."""
    from pathlib import Path

    from components.fraud.tracked import materialise

    return materialise(Path(table.path), pipeline=pipeline, run_id=run_id, detector=detector, clock=clock)

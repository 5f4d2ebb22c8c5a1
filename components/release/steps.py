"""The release steps, the same for every family: thin typed faces, one import and one call each.

Only pipelines import this module, since the annotations need Kubeflow Pipelines.
"""

from typing import NamedTuple

from kfp import dsl

from components.step import step


@step
def fetch_champion(champion: dsl.Output[dsl.Model], pipeline: str, run_id: str, registered_model: str) -> str:
    """Fetch the champion's bundle, if there is a champion; returns its version or an empty text."""
    from pathlib import Path

    from components.release.tracked import fetch_champion as fetch

    version = fetch(Path(champion.path), pipeline=pipeline, run_id=run_id, registered_model=registered_model)
    champion.metadata.update({"version": version})
    return version


@step
def register_candidates(
    evaluated: dsl.Input[dsl.Artifact], pipeline: str, run_id: str, family: str, registered_model: str
) -> dict[str, str]:
    """Register every evaluated candidate as an eligible version; returns candidate name to version."""
    from pathlib import Path

    from components.release.tracked import register

    return register(
        Path(evaluated.path), pipeline=pipeline, run_id=run_id, family=family, registered_model=registered_model
    )


@step
def gate(
    evaluated: dsl.Input[dsl.Artifact],
    champion: dsl.Input[dsl.Model],
    decision: dsl.Output[dsl.Markdown],
    pipeline: str,
    run_id: str,
    versions: dict[str, str],
    champion_scored: bool,
    champion_reason: str,
    block_seconds: int,
) -> NamedTuple("Outputs", [("promote", bool), ("version", str), ("reason", str)]):  # type: ignore[valid-type]
    """Decide whether the best candidate takes the champion's place.

    Args:
        evaluated: Folder with the losses.
        champion: Folder with `champion.json`.
        decision: The decision as a page.
        pipeline: Name of the pipeline.
        run_id: The pipeline's MLflow run.
        versions: Candidate name to registered version.
        champion_scored: Whether the losses hold rows of the champion.
        champion_reason: Why they do not.
        block_seconds: Length of a bootstrap block.
    """
    from pathlib import Path

    from components.release.tracked import gate as decide

    found = decide(
        Path(evaluated.path),
        Path(champion.path),
        Path(decision.path),
        pipeline=pipeline,
        run_id=run_id,
        versions=versions,
        champion_scored=champion_scored,
        champion_reason=champion_reason,
        block_seconds=int(block_seconds),
    )
    return (found.promote, found.version, found.reason)


@step
def promote(pipeline: str, run_id: str, registered_model: str, version: str, against: str, reason: str) -> str:
    """Smoke-score a version and move the champion alias to it, unless the champion changed since the gate."""
    from components.release.tracked import promote as promote_version

    return promote_version(
        pipeline=pipeline,
        run_id=run_id,
        registered_model=registered_model,
        version=version,
        against=against,
        reason=reason,
    )


@step
def deploy(
    pipeline: str, run_id: str, inference_service: str, version: str, reason: str, registered_model: str = ""
) -> str:
    """Pin the version in a KServe InferenceService; returns the version it was pinned to before."""
    from components.release.tracked import deploy as pin

    return pin(
        pipeline=pipeline,
        run_id=run_id,
        inference_service=inference_service,
        version=version,
        reason=reason,
        registered_model=registered_model,
    )


@step
def keep_champion(pipeline: str, run_id: str, reason: str) -> None:
    """Write down that no candidate took the champion's place, and why."""
    from components.release.tracked import keep

    keep(pipeline=pipeline, run_id=run_id, reason=reason)


@step
def fail_validation(failures: str) -> None:
    """Fail, saying which expectations failed."""
    from components.release.tracked import fail_validation as fail

    fail(failures)


@step
def close_run(status: dsl.PipelineTaskFinalStatus, pipeline: str, job: str) -> None:
    """End the pipeline's MLflow run as the pipeline ended."""
    from components.release.tracked import close

    close(pipeline=pipeline, job=job, state=status.state, message=status.error_message or "")

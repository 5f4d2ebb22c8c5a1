"""One MLflow run a pipeline run, with a nested run a step.

The first step opens the run, the exit step closes it; both find it by the back-end's id of the pipeline run, so that
a step that is tried again does not make a second one.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from components.step_run import step_process
from runtime.mlflow_calls import bound_mlflow_calls
from runtime.revision import code_digest, code_revision
from runtime.settings import runtime_settings
from runtime.tracking import RunLogger, TrackingError, start_run

if TYPE_CHECKING:
    from mlflow import MlflowClient

JOB_TAG = "pipeline_job"
OWNER_TAG = "pipeline_owner"
OWNER_VARIABLE = "AIO_PIPELINE_OWNER"
"""Names a place that never runs a pipeline twice at once, so that what is still open there was killed; else not set."""

CHAMPION_BUNDLE = "bundle"
"""Folder of the champion's bundle beside `champion.json`; absent where there is no champion."""

MLFLOW_RUN = "mlflow_run.json"
"""Beside a candidate: which MLflow run made it."""

_STATUS = {"SUCCEEDED": "FINISHED", "CANCELLED": "KILLED"}
_LONGEST_TAG = 4000


def open_pipeline_run(pipeline: str, job: str, parameters: Mapping[str, object]) -> str:
    """Id of the MLflow run of one pipeline run; made where it is missing.

    Args:
        pipeline: Name of the pipeline, which is the experiment's too.
        job: The back-end's id of the pipeline run.
        parameters: What the pipeline was asked for.

    Raises:
        TrackingError: MLflow is down or refused.
    """
    from mlflow.entities import Param

    client = _client()
    with _explained():
        experiment = client.get_experiment_by_name(pipeline)
        experiment_id = experiment.experiment_id if experiment else client.create_experiment(pipeline)
        found = _find(client, str(experiment_id), job)
        if found:
            return found
        _close_killed(client, str(experiment_id))
        tags = {**_owner(), JOB_TAG: job, "mlflow.source.git.commit": code_revision(), "code_digest": code_digest()}
        run_id = str(client.create_run(experiment_id, run_name=f"{pipeline} {job}", tags=tags).info.run_id)
        client.log_batch(run_id, params=[Param(key, str(value)) for key, value in parameters.items()])
    return run_id


def close_pipeline_run(pipeline: str, job: str, state: str, message: str = "") -> None:
    """End the MLflow run of a pipeline run; one that was never opened is let be.

    Args:
        pipeline: Name of the pipeline.
        job: The back-end's id of the pipeline run.
        state: `SUCCEEDED`, `FAILED` or `CANCELLED`, as Kubeflow Pipelines tells an exit step.
        message: What it says of a failure.
    """
    client = _client()
    with _explained():
        experiment = client.get_experiment_by_name(pipeline)
        run_id = _find(client, experiment.experiment_id, job) if experiment else ""
        if not run_id:
            return
        if message:
            client.set_tag(run_id, "failure", message[:_LONGEST_TAG])
        client.set_terminated(run_id, _STATUS.get(state, "FAILED"))


def annotate_pipeline_run(run_id: str, tags: Mapping[str, str]) -> None:
    """Write on the pipeline's own run what a person looks for first."""
    client = _client()
    with _explained():
        for key, value in tags.items():
            client.set_tag(run_id, key, value[:_LONGEST_TAG])


@contextlib.contextmanager
def step_run(step: str, pipeline: str, run_id: str) -> Iterator[RunLogger]:
    """Run the block as a step's work, under a nested run of its own in the pipeline's experiment."""
    with step_process(step), start_run(pipeline, step, {**_owner(), "step": step}, parent_run_id=run_id) as run:
        yield run


@contextlib.contextmanager
def first_step_run(
    step: str, pipeline: str, job: str, parameters: Mapping[str, object]
) -> Iterator[tuple[str, RunLogger]]:
    """As `step_run`, for the step that opens the pipeline's run; gives that run's id and the step's own run."""
    with step_process(step):
        run_id = open_pipeline_run(pipeline, job, parameters)
        with start_run(pipeline, step, {**_owner(), "step": step}, parent_run_id=run_id) as run:
            yield run_id, run


def keep_file(run: RunLogger, path: Path, name: str) -> None:
    """Store a file as an artifact under a name of its own, since back-ends give files names without a suffix."""
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / name
        shutil.copyfile(path, copy)
        run.artifact(copy)


def remember_run(candidate: Path, run_id: str) -> None:
    """Write beside a candidate which MLflow run made it; registering it reads that."""
    (candidate / MLFLOW_RUN).write_text(json.dumps({"run_id": run_id}) + "\n")


def _client() -> "MlflowClient":
    from mlflow import MlflowClient

    settings = runtime_settings()
    bound_mlflow_calls(settings.http_timeout_seconds)
    return MlflowClient(tracking_uri=settings.mlflow_tracking_uri)


def _owner() -> dict[str, str]:
    owner = os.environ.get(OWNER_VARIABLE, "")
    return {OWNER_TAG: owner} if owner else {}


def _close_killed(client: "MlflowClient", experiment_id: str) -> None:
    """End what an earlier run of the same owner, killed without a word, left open."""
    owner = _owner().get(OWNER_TAG, "").replace("'", "")
    if not owner:
        return
    left = f"tags.{OWNER_TAG} = '{owner}' and attributes.status = 'RUNNING'"
    for run in client.search_runs([experiment_id], left):
        client.set_tag(run.info.run_id, "failure", "its process was killed")
        client.set_terminated(run.info.run_id, "KILLED")


def _find(client: "MlflowClient", experiment_id: str, job: str) -> str:
    quoted = job.replace("'", "")
    runs = client.search_runs([experiment_id], f"tags.{JOB_TAG} = '{quoted}'", max_results=1)
    return str(runs[0].info.run_id) if runs else ""


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    from mlflow.exceptions import MlflowException

    try:
        yield
    except MlflowException as error:
        raise TrackingError(f"MLflow did not take it; see that its server runs and what it says: {error}") from error

"""Runs in MLflow: what a training step writes down, in few calls and without MLflow's process-wide state."""

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.mlflow_calls import bound_mlflow_calls
from runtime.revision import code_digest, code_revision
from runtime.settings import runtime_settings

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric

Parameter = bool | int | float | str | None

_PARAMETERS_A_CALL = 100
_METRICS_A_CALL = 500


class TrackingError(RuntimeError):
    """MLflow did not take what was logged: it is down, or refuses the value; the cause is chained."""


class RunLogger:
    """Writes to one run. Metrics are buffered and sent in batches, at the latest when the run ends."""

    def __init__(self, client: "MlflowClient", run_id: str, experiment_id: str) -> None:
        self._client = client
        self._buffer: list[Metric] = []
        self.run_id = run_id
        self.experiment_id = experiment_id

    def params(self, values: Mapping[str, Parameter]) -> None:
        """Log parameters; a key may be logged again only with the same value."""
        from mlflow.entities import Param

        entries = [Param(key, str(value)) for key, value in values.items()]
        with _explained():
            for start in range(0, len(entries), _PARAMETERS_A_CALL):
                self._client.log_batch(self.run_id, params=entries[start : start + _PARAMETERS_A_CALL])

    def metrics(self, values: Mapping[str, float], step: int = 0) -> None:
        """Log metrics of one step, for example an epoch."""
        from mlflow.entities import Metric

        now_ms = int(time.time() * 1000)
        self._buffer += [Metric(key, float(value), now_ms, step) for key, value in values.items()]
        if len(self._buffer) >= _METRICS_A_CALL:
            self.flush()

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        from mlflow.entities import RunTag

        with _explained():
            self._client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in values.items()])

    def artifact(self, path: Path, folder: str = "") -> None:
        """Store a file, or a folder with all it holds, under `folder` of the run's artifacts."""
        store = self._client.log_artifacts if path.is_dir() else self._client.log_artifact
        with _explained():
            store(self.run_id, str(path), folder or None)

    def document(self, name: str, content: Mapping[str, object]) -> None:
        """Store a JSON document as an artifact; `name` may hold folders."""
        folder, _, file = name.rpartition("/")
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / file
            path.write_text(json.dumps(content, indent=2, sort_keys=True, default=str) + "\n")
            self.artifact(path, folder)

    def flush(self) -> None:
        """Send what is buffered."""
        with _explained():
            while self._buffer:
                self._client.log_batch(self.run_id, metrics=self._buffer[:_METRICS_A_CALL])
                del self._buffer[:_METRICS_A_CALL]

    @contextlib.contextmanager
    def child(self, run_name: str, tags: Mapping[str, str] | None = None) -> Iterator["RunLogger"]:
        """A run nested in this one."""
        with _run(
            self._client, self.experiment_id, run_name, {**(tags or {}), "mlflow.parentRunId": self.run_id}
        ) as run:
            yield run


@contextlib.contextmanager
def start_run(
    experiment: str,
    run_name: str,
    tags: Mapping[str, str] | None = None,
    *,
    parent_run_id: str | None = None,
    tracking_uri: str = "",
) -> Iterator[RunLogger]:
    """Run a block as one MLflow run, which ends as finished, failed or, when interrupted, killed.

    Args:
        experiment: Name of the experiment; made where it is missing.
        run_name: What the run is called in lists.
        tags: Further tags; the code's revision and digest are set in any case.
        parent_run_id: The run to nest this one in, when a process of its own holds it.
        tracking_uri: MLflow's HTTP address; empty means the one in the settings.

    Raises:
        TrackingError: MLflow is down or refused.
    """
    from mlflow import MlflowClient

    settings = runtime_settings()
    bound_mlflow_calls(settings.http_timeout_seconds)
    client = MlflowClient(tracking_uri=tracking_uri or settings.mlflow_tracking_uri)
    nesting = {"mlflow.parentRunId": parent_run_id} if parent_run_id else {}
    with _explained():
        experiment_id = _experiment(client, experiment)
    with _run(client, experiment_id, run_name, {**(tags or {}), **nesting}) as run:
        yield run


@contextlib.contextmanager
def _run(client: "MlflowClient", experiment_id: str, run_name: str, tags: Mapping[str, str]) -> Iterator[RunLogger]:
    code = {"mlflow.source.git.commit": code_revision(), "code_digest": code_digest()}
    with _explained():
        created = client.create_run(experiment_id, run_name=run_name, tags={**code, **tags})
    run = RunLogger(client, created.info.run_id, experiment_id)
    try:
        yield run
        run.flush()
    except BaseException as error:
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        with contextlib.suppress(TrackingError):  # the error that ended the block matters more
            run.flush()
            _terminate(run, client, status)
        raise
    _terminate(run, client, "FINISHED")


def _terminate(run: RunLogger, client: "MlflowClient", status: str) -> None:
    with _explained():
        client.set_terminated(run.run_id, status)


def _experiment(client: "MlflowClient", name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    return _experiment(client, name)  # another process made it in between


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException  # type: ignore[import-untyped]

    try:
        yield
    except (MlflowException, RequestException) as error:
        raise TrackingError(f"MLflow did not take it; see that its server runs and what it says: {error}") from error

import json
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime.revision import code_digest, code_revision
from runtime.tracking import TrackingError, start_run


@pytest.fixture
def experiment() -> str:
    return f"tracking-{uuid.uuid4().hex[:8]}"


def test_a_run_holds_what_was_logged_and_which_code_ran(mlflow_server: str, experiment: str, tmp_path: Path) -> None:
    from mlflow import MlflowClient

    (tmp_path / "report.html").write_text("<p>hello")
    with start_run(experiment, "lstm", {"network": "lstm"}, tracking_uri=mlflow_server) as run:
        run.params({f"p{i}": i for i in range(130)} | {"best": None})
        for step in range(300):
            run.metrics({"loss": 1 / (step + 1), "coverage": 0.8}, step=step)
        run.artifact(tmp_path / "report.html", "evaluation")
        run.document("deep/er/metrics.json", {"crps": 0.5})
        run.tags({"verdict": "good"})
    client = MlflowClient(tracking_uri=mlflow_server)
    stored = client.get_run(run.run_id)
    assert stored.info.status == "FINISHED"
    assert (stored.data.params["p129"], stored.data.params["best"], len(stored.data.params)) == ("129", "None", 131)
    history = sorted(client.get_metric_history(run.run_id, "loss"), key=lambda metric: metric.step)
    assert [metric.value for metric in history] == [1 / (step + 1) for step in range(300)]
    tags = stored.data.tags
    assert (tags["network"], tags["verdict"], tags["mlflow.runName"]) == ("lstm", "good", "lstm")
    assert (tags["mlflow.source.git.commit"], tags["code_digest"]) == (code_revision(), code_digest())
    local = Path(client.download_artifacts(run.run_id, "", str(tmp_path)))
    assert (local / "evaluation" / "report.html").read_text() == "<p>hello"
    assert json.loads((local / "deep" / "er" / "metrics.json").read_text()) == {"crps": 0.5}


def test_a_run_that_raises_is_failed_and_keeps_its_metrics(mlflow_server: str, experiment: str) -> None:
    from mlflow import MlflowClient

    with pytest.raises(ZeroDivisionError), start_run(experiment, "bad", tracking_uri=mlflow_server) as run:
        run.metrics({"loss": 3.0})
        _ = 1 / 0
    stored = MlflowClient(tracking_uri=mlflow_server).get_run(run.run_id)
    assert (stored.info.status, stored.data.metrics) == ("FAILED", {"loss": 3.0})


def test_an_interrupted_run_is_killed(mlflow_server: str, experiment: str) -> None:
    from mlflow import MlflowClient

    with pytest.raises(KeyboardInterrupt), start_run(experiment, "stopped", tracking_uri=mlflow_server) as run:
        raise KeyboardInterrupt
    assert MlflowClient(tracking_uri=mlflow_server).get_run(run.run_id).info.status == "KILLED"


def test_runs_nest_within_a_process_and_across_processes(mlflow_server: str, experiment: str) -> None:
    from mlflow import MlflowClient

    with start_run(experiment, "pipeline", tracking_uri=mlflow_server) as parent:
        with parent.child("lstm", {"network": "lstm"}) as inner:
            inner.metrics({"loss": 1.0})
        with start_run(experiment, "har", parent_run_id=parent.run_id, tracking_uri=mlflow_server) as outer:
            pass
    client = MlflowClient(tracking_uri=mlflow_server)
    for run in (inner, outer):
        assert client.get_run(run.run_id).data.tags["mlflow.parentRunId"] == parent.run_id
        assert run.experiment_id == parent.experiment_id


def test_a_server_that_is_down_is_said_to_be_down(
    free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    with (
        pytest.raises(TrackingError, match="see that its server runs"),
        start_run("x", "y", tracking_uri=f"http://127.0.0.1:{free_port()}"),
    ):
        pytest.fail("the block must not run")

"""The crypto pipelines for real: real candles, MLflow, Feast, training; in processes of their own."""

import json
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from components.crypto.candles.settings import SHIPPED_CANDLES
from runtime.registry import open_registry
from tests.support.workplace import Workplace

MODEL = "crypto-forecast-1h"
Wait = Callable[..., None]


def runs(mlflow: str, pipeline: str) -> list[Any]:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=mlflow)
    experiment = client.get_experiment_by_name(pipeline)
    return list(client.search_runs([experiment.experiment_id])) if experiment else []


def of_state(found: list[Any], workplace: Workplace) -> list[Any]:
    return [run for run in found if str(workplace.folder) in run.data.tags.get("pipeline_owner", "")]


def champion(mlflow: str) -> str | None:
    version = open_registry(mlflow).by_alias(MODEL, "champion")
    return version.version if version else None


@pytest.mark.timeout(900)
def test_candles_that_fail_validation_stop_the_run_leave_their_report_and_the_champion(
    workplace: Workplace, mlflow_server: str, tmp_path: Path
) -> None:
    table = pq.read_table(SHIPPED_CANDLES, filters=[("ds", ">=", datetime(2025, 11, 1, tzinfo=UTC))])
    low_highs = pc.multiply(table["low"], 0.9)
    broken = table.set_column(table.schema.get_field_index("high"), "high", low_highs)
    pq.write_table(broken, tmp_path / "broken.parquet")
    workplace.environment |= {"CANDLES_RECORDED_PATH": str(tmp_path / "broken.parquet")}
    before = champion(mlflow_server)

    code, said = workplace.run("run", "crypto-forecast", "-p", "symbols=BTC,ETH", "--profile", "quick")

    assert code == 1, said
    assert "crypto-forecast failed in fail-validation: ValidationFailedError: the data failed validation" in said
    assert "high_at_least" in said and "champion goes on serving" in said
    record = workplace.record("crypto-forecast")
    assert [step.name for step in record.steps] == [
        "ingest-candles",
        "validate-candles",
        "fail-validation",
        "close-run",
    ]
    assert "high_at_least" in workplace.artifact("crypto-forecast", "validate-candles", "report").read_text()
    found = of_state(runs(mlflow_server, "crypto-forecast"), workplace)
    (outer,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    assert outer.info.status == "FAILED" and "high_at_least" in outer.data.tags["failed_expectations"]
    validation = next(run for run in found if run.info.run_name == "validate-candles")
    assert validation.data.metrics["passed"] == 0.0
    from mlflow import MlflowClient

    kept = {file.path for file in MlflowClient(tracking_uri=mlflow_server).list_artifacts(validation.info.run_id)}
    assert {"validation.html", "validation.json"} <= kept
    assert champion(mlflow_server) == before


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_without_mlflow_fails_naming_it(tmp_path: Path, free_port: Callable[[], int]) -> None:
    place = Workplace(tmp_path, f"http://127.0.0.1:{free_port()}")

    code, said = place.run("run", "crypto-refresh", "-p", "symbols=BTC")

    assert code == 1
    assert "crypto-refresh failed in ingest-candles: TrackingError: MLflow did not take it" in said
    assert [step.name for step in place.record("crypto-refresh").steps[:2]] == ["ingest-candles", "ingest-candles"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, mlflow_server: str, wait_until: Wait) -> Iterator[Workplace]:
    """A state folder where a run was killed in mid-training and the next one went through."""
    place = Workplace(tmp_path_factory.mktemp("forecast"), mlflow_server)
    place.environment |= {"CANDLES_SINCE": "2024-01-01T00:00:00Z"}
    arguments = ("run", "crypto-forecast", "-p", "symbols=BTC,ETH,SOL", "--profile", "quick")
    before = len(open_registry(mlflow_server).versions(MODEL))
    with place.start(*arguments) as killed:
        logs = place.folder / "state" / "pipelines" / "crypto-forecast" / "runs"
        wait_until(
            lambda: any("epoch 2/" in log.read_text() for log in logs.glob("*/logs/*-train-lstm.log")), 1200, "epoch 2"
        )
        killed.send_signal(signal.SIGKILL)
    assert place.record("crypto-forecast").state == "died"
    assert len(open_registry(mlflow_server).versions(MODEL)) == before
    code, said = place.run(*arguments)
    assert code == 0, said
    yield place


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_after_a_kill_in_mid_training_the_next_run_resumes_and_promotes(trained: Workplace, mlflow_server: str) -> None:
    record = trained.record("crypto-forecast")
    assert record.state == "succeeded"
    assert [step.name for step in record.steps][-2:] == ["promote", "close-run"]
    training = next(Path(step.log) for step in record.steps if step.name == "train-lstm")
    assert "epoch 1/" not in training.read_text()
    registry = open_registry(mlflow_server)
    versions = {version.tags["network"]: version for version in registry.versions(MODEL)}
    assert {"lstm", "transformer", "har"} <= set(versions)
    assert all(version.tags["status"] == "eligible" for version in versions.values())
    found = of_state(runs(mlflow_server, "crypto-forecast"), trained)
    outer = {run.info.status: run for run in found if "mlflow.parentRunId" not in run.data.tags}
    assert set(outer) == {"KILLED", "FINISHED"}
    tags = outer["FINISHED"].data.tags
    assert tags["promoted"] == "true" and champion(mlflow_server) == tags["champion"]
    assert json.loads(tags["versions"])[tags["winner"]] == tags["champion"]
    assert all(run.info.status in ("FINISHED", "KILLED") for run in found)
    lstm = [run for run in found if run.info.run_name == "train-lstm" and run.info.status == "FINISHED"]
    assert len(lstm) == 1 and {"stop_loss", "calibrate_relative_pinball"} <= set(lstm[0].data.metrics)


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_refresh_brings_windows_online_and_trains_nothing(trained: Workplace, mlflow_server: str) -> None:
    versions = len(open_registry(mlflow_server).versions(MODEL))

    code, said = trained.run("run", "crypto-refresh", "-p", "symbols=BTC,ETH,SOL")

    assert code == 0, said
    assert [step.name for step in trained.record("crypto-refresh").steps] == [
        "ingest-candles",
        "validate-candles",
        "build-features",
        "materialise-features",
        "close-run",
    ]
    assert len(open_registry(mlflow_server).versions(MODEL)) == versions


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_person_promotes_rolls_back_and_reads_why(trained: Workplace, mlflow_server: str) -> None:
    first = champion(mlflow_server)
    other = next(v.version for v in open_registry(mlflow_server).versions(MODEL) if v.version != first)

    assert trained.run("promote", MODEL, other, "--reason", "a look at the other one")[0] == 0
    assert champion(mlflow_server) == other
    assert trained.run("rollback", MODEL, "--reason", "it was worse")[0] == 0
    assert champion(mlflow_server) == first
    code, said = trained.run("history", MODEL)

    assert code == 0
    assert "rollback: it was worse" in " ".join(said.split()) or "rollback" in said
    assert trained.run("promote", MODEL, "999", "--reason", "no such version")[0] == 1
    assert trained.run("promote", MODEL, other, "--reason", " ")[0] == 1

"""The steps' faces called as functions, with real artifacts and a real MLflow."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from kfp import dsl
from mlflow import MlflowClient

from components.crypto import steps as crypto
from components.release import steps as release
from components.release.tracked import ValidationFailedError
from runtime.settings import runtime_settings


@pytest.fixture
def place(tmp_path: Path, mlflow_server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a step works: settings of its own, and logging put back afterwards."""
    monkeypatch.setenv("AIO_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("AIO_MLFLOW_TRACKING_URI", mlflow_server)
    monkeypatch.setenv("CANDLES_SINCE", "2025-11-15T00:00:00Z")
    runtime_settings.cache_clear()
    root = logging.getLogger()
    before = (list(root.handlers), root.level)
    yield tmp_path
    root.handlers, root.level = before
    runtime_settings.cache_clear()


def artifact(kind: type[dsl.Artifact], place: Path, name: str) -> dsl.Artifact:
    return kind(name=name, uri=str(place / name), metadata={})


def test_the_first_steps_hand_on_what_the_later_ones_need(place: Path, mlflow_server: str) -> None:
    candles, page = artifact(dsl.Dataset, place, "candles"), artifact(dsl.Markdown, place, "ingest")
    common = {"pipeline": "faces", "timeframe": "1h"}
    arguments = {"symbols": ["BTC", "ETH"], "source": "", "profile": "quick", "horizon_bars": 24.0, "seed": 0.0}

    opened = crypto.ingest_candles.python_func(candles=candles, report=page, job="j1", **common, **arguments)
    again = crypto.ingest_candles.python_func(candles=candles, report=page, job="j1", **common, **arguments)
    run_id, clock, model = opened
    report = artifact(dsl.HTML, place, "validation")
    passed, failures = crypto.validate_candles.python_func(
        candles=candles, report=report, run_id=run_id, source_clock=clock, **common
    )
    features = artifact(dsl.Dataset, place, "features")
    digest = crypto.build_features.python_func(candles=candles, features=features, pipeline="faces", run_id=run_id)
    champion = artifact(dsl.Model, place, "champion")
    version = release.fetch_champion.python_func(
        champion=champion, pipeline="faces", run_id=run_id, registered_model="faces-forecast-1h"
    )

    assert again[0] == run_id, "a step that is tried again works under the same run"
    assert (clock, model, passed, failures) == ("2026-01-01T00:00:00+00:00", "crypto-forecast-1h", True, "")
    assert (features.metadata, version) == ({"feature_digest": digest}, "")
    assert "| binance:usdm-perp:BTC-USDT |" in Path(page.path).read_text()
    assert json.loads((Path(champion.path) / "champion.json").read_text()) == {}
    client = MlflowClient(tracking_uri=mlflow_server)
    outer = client.get_run(run_id)
    assert outer.info.status == "RUNNING" and outer.data.params["symbols"] == "BTC,ETH"
    nested = client.search_runs([outer.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'")
    assert {run.info.status for run in nested} == {"FINISHED"}

    status = dsl.PipelineTaskFinalStatus(
        state="FAILED", pipeline_job_resource_name="j1", pipeline_task_name="x", error_code=9, error_message="it broke"
    )
    release.close_run.python_func(status=status, pipeline="faces", job="j1")

    closed = client.get_run(run_id)
    assert (closed.info.status, closed.data.tags["failure"]) == ("FAILED", "it broke")


def test_closing_a_run_that_was_never_opened_does_nothing(place: Path) -> None:
    status = dsl.PipelineTaskFinalStatus(
        state="FAILED", pipeline_job_resource_name="j2", pipeline_task_name="x", error_code=9, error_message=""
    )
    release.close_run.python_func(status=status, pipeline="faces-never", job="j2")


def test_the_failing_face_says_what_failed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValidationFailedError, match="champion goes on serving: high_at_least_close: 3 rows"):
        release.fail_validation.python_func(failures="high_at_least_close: 3 rows")

    assert "failed: ValidationFailedError: the data failed validation" in capsys.readouterr().out

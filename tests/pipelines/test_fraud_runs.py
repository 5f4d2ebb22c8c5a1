"""The fraud pipeline for real: simulated cards, MLflow, Feast, training; in processes of their own."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from components.fraud.cards.simulator import simulate
from runtime.bundle import read_bundle
from runtime.registry import open_registry
from tests.support.workplace import Workplace

NAME = "fraud-detection"
MODEL = "fraud-card"
ROWS = 40_000


def run_quickly(workplace: Workplace, *arguments: str) -> tuple[int, str]:
    return workplace.run("run", NAME, "--profile", "quick", *arguments, timeout_seconds=2400)


def outer_run(mlflow: str, workplace: Workplace) -> Any:
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=mlflow)
    experiment = client.get_experiment_by_name(NAME)
    found = client.search_runs([experiment.experiment_id], max_results=1000)
    (outer,) = [
        run
        for run in found
        if "mlflow.parentRunId" not in run.data.tags and str(workplace.folder) in run.data.tags["pipeline_owner"]
    ]
    return outer


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_transactions_that_fail_validation_stop_the_run_and_leave_their_report(
    workplace: Workplace, mlflow_server: str, tmp_path: Path
) -> None:
    simulate(tmp_path / "cards.parquet", end=datetime.now(UTC), rows=12_000)
    table = pq.read_table(tmp_path / "cards.parquet")
    negative = pc.if_else(pc.equal(table["amount_minor"], table["amount_minor"][5]), -1, table["amount_minor"])
    position = table.schema.get_field_index("amount_minor")
    pq.write_table(
        table.set_column(position, table.schema.field(position), negative.cast(pa.int64())), tmp_path / "broken.parquet"
    )

    code, said = run_quickly(workplace, "-p", f"data={tmp_path / 'broken.parquet'}")

    assert code == 1, said
    assert "fraud-detection failed in fail-validation" in said
    assert "amounts_not_negative" in said and "champion goes on serving" in said
    steps = [step.name for step in workplace.record(NAME).steps]
    assert steps == ["prepare-data", "validate-data", "fail-validation", "close-run"]
    outer = outer_run(mlflow_server, workplace)
    assert outer.info.status == "FAILED" and "amounts_not_negative" in outer.data.tags["failed_expectations"]
    report = workplace.artifact(NAME, "validate-data", "report")
    assert "amounts_not_negative" in report.read_text()


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_detector_whose_set_is_not_there_fails_with_the_command_that_names_it(workplace: Workplace) -> None:
    code, said = run_quickly(workplace, "-p", "detector=network")

    assert code == 1
    assert "--param detector=network --param data=PATH" in " ".join(said.split())


@pytest.mark.slow
@pytest.mark.timeout(2700)
def test_a_run_trains_judges_brings_states_online_and_promotes_and_the_next_one_is_compared_with_it(
    workplace: Workplace, mlflow_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = datetime.now(UTC)
    simulate(tmp_path / "cards.parquet", end=end, rows=ROWS, days=150, seed=0)
    data = ("-p", f"data={tmp_path / 'cards.parquet'}", "-p", "trials=1", "-p", "costs=missed_minor=20000")

    code, said = run_quickly(workplace, *data)

    assert code == 0, said
    steps = [step.name for step in workplace.record(NAME).steps]
    # fetch-champion waits for no data, so it may end before or after build-features.
    assert steps[:2] == ["prepare-data", "validate-data"]
    assert {"build-features", "fit-xgboost", "fit-random-forest", "fetch-champion", "evaluate", "gate"} < set(steps)
    assert steps[-3:] == ["materialise-states", "promote", "close-run"]
    registry = open_registry(mlflow_server)
    first = registry.by_alias(MODEL, "champion")
    assert first is not None
    tags = outer_run(mlflow_server, workplace).data.tags
    assert (tags["promoted"], tags["champion"]) == ("true", first.version)
    bundle = read_bundle(registry.download(first, tmp_path / "bundle"))
    extra = bundle.manifest.model_extra or {}
    assert (extra["detector"], extra["costs"]["missed_minor"]) == ("card", 20_000)
    assert {"thresholds.json", "scores.json", "model.onnx", "report.html"} <= set(bundle.manifest.files)
    monkeypatch.setenv("AIO_STATE_DIR", workplace.environment["AIO_STATE_DIR"])
    assert states_online(tmp_path / "cards.parquet", end) > 0

    code, said = run_quickly(workplace, *data, "-p", "seed=1")

    assert code == 0, said
    decision = workplace.artifact(NAME, "gate", "decision").read_text()
    assert "against champion" in decision and "| champion |" in decision


def states_online(transactions: Path, end: datetime) -> int:
    """How many of the last day's customers have a state in the feature store."""
    from feature_repo.fraud_online import FeastCardStates
    from runtime.settings import runtime_settings

    runtime_settings.cache_clear()
    recent = pq.read_table(transactions, filters=[("occurred_at", ">=", end - timedelta(days=1))])
    customers = sorted(set(recent["customer_id"].to_pylist()))[:20]
    try:
        states, _ = FeastCardStates().read(customers, [])
    finally:
        runtime_settings.cache_clear()
    return sum(state is not None for state in states)

"""Deciding history again: on a simulated table and on a real decision log, by a real model and rule sets."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from components.fraud.__main__ import app
from components.fraud.backtest import Policy, backtest, fetch_model, policy_decisions
from components.fraud.backtest_rows import BacktestError, Cases, cases_from_log, cases_from_table
from components.fraud.cards.history import build_history
from components.fraud.cards.simulator import simulate
from components.fraud.cards.table import TRANSACTION_SCHEMA
from components.fraud.costs import COSTS, DECISIONS
from components.fraud.rules import default_rules, load_rules
from components.fraud.tracked import split_of
from components.fraud.training import fit_candidate
from components.release.candidate import make_bundle
from components.release.register import register_candidate
from feature_repo.fraud import CARD_FEATURE_NAMES
from runtime.decision_log import NewEvent
from runtime.decision_log.sql_log import SqlDecisionLog
from runtime.moments import microseconds
from runtime.registry import open_registry
from runtime.settings import runtime_settings

END = datetime(2026, 6, 1, tzinfo=UTC)
CARD = COSTS["card"]
STRICT = """
name: strict
detector: card
rules:
  - id: large
    action: decline
    text: The amount is 50.00 or more.
    when:
      - {field: amount_minor, at_least: 5000}
  - id: small
    action: accept
    text: The amount is under 1.00.
    when:
      - {field: amount_minor, below: 100}
"""
NONE = """
name: none
detector: card
rules:
  - id: never
    action: review
    text: No amount is below nothing.
    when:
      - {field: amount_minor, below: 0}
"""


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 25,000 simulated transactions over 150 days."""
    path = tmp_path_factory.mktemp("cards") / "transactions.parquet"
    simulate(path, end=END, rows=25_000)
    return path


@pytest.fixture(scope="module")
def candidate(table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("candidate")
    build_history(table, folder / "features.parquet")
    split = split_of(folder / "features.parquet", "card", 0)
    made = folder / "xgboost"
    fit_candidate(
        folder / "features.parquet", made, detector="card", learner="xgboost", split=split, costs=CARD, trials=1
    )
    return made


@pytest.fixture(scope="module")
def cases(table: Path) -> Cases:
    return cases_from_table(table, None)


def test_the_last_four_labelled_weeks_are_decided_again(table: Path, cases: Cases) -> None:
    rows = pq.read_table(table).to_pandas()
    newest = rows.occurred_at[rows.fraud == 0].max()
    wanted = rows[rows.fraud.notna() & (rows.occurred_at >= newest - timedelta(days=28)) & (rows.occurred_at <= newest)]

    assert len(cases.fields) == len(wanted) > 1_000
    assert cases.fraud.sum() == wanted.fraud.sum() > 0
    assert (cases.first, cases.last) == (wanted.occurred_at.min(), wanted.occurred_at.max())
    assert cases.days == pytest.approx(28, abs=0.5)


def test_rules_change_what_the_model_decides_and_the_price_of_it(cases: Cases, candidate: Path) -> None:
    policies = [
        Policy("model alone", candidate, load_rules(NONE)),
        Policy("strict", candidate, load_rules(STRICT)),
    ]

    alone, strict = backtest(cases, policies, CARD)

    own, together = policy_decisions(policies[1], cases)
    expected = np.where(cases.amount_minor >= 5_000, 2, np.where(cases.amount_minor < 100, 0, own))
    np.testing.assert_array_equal(together, expected)
    assert alone.by_rules == 0 and strict.by_rules == int((own != expected).sum()) > 0
    assert strict.declines_a_day == pytest.approx((expected == 2).sum() / cases.days)
    assert strict.recall == pytest.approx((cases.fraud & (expected > 0)).sum() / cases.fraud.sum())
    assert strict.precision == pytest.approx((cases.fraud & (expected > 0)).sum() / (expected > 0).sum())
    missed = np.where(cases.fraud & (expected == 0), cases.amount_minor, 0.0)
    lost = np.where(~cases.fraud & (expected == 2), 0.05 * cases.amount_minor + 500, 0.0)
    assert strict.cost_minor == pytest.approx((missed + lost + 250.0 * (expected == 1)).mean())


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqlDecisionLog]:
    opened = SqlDecisionLog(f"sqlite:///{tmp_path / 'decisions.db'}")
    yield opened
    opened.close()


def commit(log: SqlDecisionLog, cases: Cases, count: int, labelled: int) -> list[int]:
    """Put the first cases into a log, decided at random but seeded, and label the first of them."""
    decided = np.random.default_rng(0).integers(0, 3, count).tolist()
    transactions = [transaction(cases, row, decided[row]) for row in range(count)]
    log.commit(transactions)
    if labelled:
        log.commit([label(made, bool(cases.fraud[row])) for row, made in enumerate(transactions[:labelled])])
    return decided


def transaction(cases: Cases, row: int, decided: int) -> NewEvent:
    fields, values = cases.fields[row], cases.features[row]
    occurred = fields["occurred_at"]
    assert isinstance(occurred, datetime)
    pairs = zip(CARD_FEATURE_NAMES, values, strict=True)
    features = {name: None if np.isnan(value) else float(value) for name, value in pairs}
    return NewEvent(
        stream="fraud-card",
        kind="transaction",
        event_id=f"t{row}",
        keys=[("customer", str(fields["customer_id"]))],
        occurred_at_us=microseconds(occurred),
        body={**fields, "occurred_at": occurred.isoformat()},
        caller="t",
        idempotency_key=None,
        request_digest=str(row),
        decision={"id": f"d{row}", "decision": DECISIONS[decided], "features": features},
    )


def label(of: NewEvent, fraud: bool) -> NewEvent:
    return replace(
        of,
        kind="label",
        event_id=f"label:{of.event_id}",
        body={"fraud": fraud, "known_at": END.isoformat()},
        decision=None,
        subject_id=of.event_id,
    )


def test_the_log_is_decided_again_with_the_features_that_were_used(
    log: SqlDecisionLog, cases: Cases, candidate: Path
) -> None:
    decided = commit(log, cases, count=60, labelled=40)

    read = cases_from_log(log, None)
    as_decided, again = backtest(read, [Policy("again", candidate, default_rules())], CARD)

    assert len(read.fields) == 40
    np.testing.assert_array_equal(read.features, cases.features[:40])
    np.testing.assert_array_equal(read.fraud, cases.fraud[:40])
    assert read.decided is not None and read.decided.tolist() == decided[:40]
    assert (as_decided.name, again.name) == ("as decided", "again")
    assert as_decided.alerts_a_day == pytest.approx(np.count_nonzero(decided[:40]) / read.days)
    later = cases_from_log(log, read.last)
    assert later.first == read.last


def test_a_log_without_labels_and_a_table_without_truth_are_told(
    log: SqlDecisionLog, cases: Cases, table: Path, tmp_path: Path
) -> None:
    commit(log, cases, count=3, labelled=0)
    unknown = pq.read_table(table).to_pandas().assign(fraud=None, label_known_at=None)

    with pytest.raises(BacktestError, match="0 labelled decisions of fraud-card"):
        cases_from_log(log, None)
    with pytest.raises(BacktestError, match="name an earlier --since"):
        cases_from_table(table, END)

    schema = pa.schema([pa.field(field.name, field.type) for field in TRANSACTION_SCHEMA])
    pq.write_table(pa.Table.from_pandas(unknown, schema=schema, preserve_index=False), tmp_path / "unknown.parquet")
    with pytest.raises(BacktestError, match="no transaction that is known to be genuine"):
        cases_from_table(tmp_path / "unknown.parquet", None)


def test_the_command_sets_a_rule_set_beside_the_champion_in_force(
    table: Path,
    candidate: Path,
    mlflow_server: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AIO_MLFLOW_TRACKING_URI", mlflow_server)
    monkeypatch.setenv("AIO_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setattr("components.fraud.detectors.Detector.model", property(lambda self: f"backtest-{self.name}"))
    runtime_settings.cache_clear()
    registry = open_registry(mlflow_server)
    with pytest.raises(BacktestError, match="backtest-card has no champion yet; run python -m pipelines run"):
        fetch_model("champion", tmp_path, registry)
    (tmp_path / "report.html").write_text("<!doctype html><title>report</title>")
    bundle = make_bundle(
        candidate, tmp_path / "bundle", family="fraud", name="backtest-card", report_html=tmp_path / "report.html"
    )
    version = register_candidate(registry, bundle.path, run_id=new_run(mlflow_server))
    registry.set_alias("backtest-card", "champion", version.version)
    (tmp_path / "strict.yaml").write_text(STRICT)

    said = CliRunner().invoke(
        app,
        ["backtest", "--data", str(table), "--rules", str(tmp_path / "strict.yaml")],
        env={"COLUMNS": "200"},
        catch_exceptions=False,
    )

    runtime_settings.cache_clear()
    assert said.exit_code == 0
    lines = [line for line in said.output.splitlines() if "in force: champion, cards@" in line or "tried:" in line]
    assert len(lines) == 2 and "strict@" in lines[1]
    assert lines[0].count("%") == lines[1].count("%") == 2


def new_run(mlflow: str) -> str:
    from mlflow import MlflowClient

    return str(MlflowClient(tracking_uri=mlflow).create_run("0").info.run_id)


def test_the_simulator_has_a_command(tmp_path: Path) -> None:
    output = tmp_path / "cards.parquet"

    said = CliRunner().invoke(
        app, ["simulate", "-o", str(output), "--rows", "12000", "--until", "2026-06-01", "--seed", "3"]
    )

    assert said.exit_code == 0
    assert (
        f"{pq.read_metadata(output).num_rows:,} transactions" in said.output and "2026-06-01 00:00 UTC" in said.output
    )

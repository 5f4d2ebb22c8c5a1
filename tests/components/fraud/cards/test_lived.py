"""Decisions of the platform and the labels that came back, joined to a history."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from components.fraud.cards.lived import Lived, join_lived
from components.fraud.cards.simulator import simulate
from components.fraud.validation import validate_table
from runtime.decision_log import NewEvent
from runtime.decision_log.sql_log import SqlDecisionLog

CLOCK = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def history(tmp_path: Path) -> Path:
    table = tmp_path / "transactions.parquet"
    simulate(table, end=CLOCK, rows=4_000, days=80, seed=1)
    return table


@pytest.fixture
def log(tmp_path: Path) -> Iterator[SqlDecisionLog]:
    opened = SqlDecisionLog(f"sqlite:///{tmp_path / 'decisions.db'}")
    yield opened
    opened.close()


def _case(name: str, occurred: datetime) -> NewEvent:
    body = {
        "transaction_id": name,
        "occurred_at": occurred.isoformat(),
        "customer_id": "C0000001",
        "terminal_id": "T0000001",
        "amount_minor": 1200,
        "currency": "EUR",
    }
    return NewEvent(
        stream="fraud-card",
        kind="transaction",
        event_id=name,
        keys=[("customer", "C0000001")],
        occurred_at_us=int(occurred.timestamp() * 1e6),
        body=body,
        caller="t",
        idempotency_key=None,
        request_digest=name,
        decision={"id": f"d-{name}", "decision": "accept"},
    )


def _label(of: NewEvent, fraud: bool, known_at: datetime) -> NewEvent:
    return NewEvent(
        stream=of.stream,
        kind="label",
        event_id=f"label:{of.event_id}",
        keys=of.keys,
        occurred_at_us=int(known_at.timestamp() * 1e6),
        body={**of.body, "fraud": fraud, "known_at": known_at.isoformat()},
        caller="t",
        idempotency_key=None,
        request_digest=f"label {of.event_id}",
        subject_id=of.event_id,
    )


def _told(history: Path) -> dict[str, tuple[object, object]]:
    rows = pq.read_table(history, columns=["transaction_id", "fraud", "label_known_at"]).to_pylist()
    return {row["transaction_id"]: (row["fraud"], row["label_known_at"]) for row in rows}


def test_a_label_that_came_back_counts_once_the_delay_is_over(history: Path, log: SqlDecisionLog) -> None:
    early, late, young = (_case(name, CLOCK - days * DAY) for name, days in (("early", 20), ("late", 20), ("young", 3)))
    log.commit([early, late, young])
    log.commit([_label(early, True, CLOCK - 19 * DAY), _label(late, True, CLOCK - DAY), _label(young, True, CLOCK)])
    assert join_lived(history, log, CLOCK) == Lived(rows=3, frauds=2)
    told = _told(history)
    assert told["early"] == (1, CLOCK - 13 * DAY)
    assert told["late"] == (1, CLOCK - DAY)
    assert told["young"] == (None, None)


def test_what_nobody_reported_within_the_delay_is_genuine(history: Path, log: SqlDecisionLog) -> None:
    log.commit([_case("quiet", CLOCK - 10 * DAY), _case("fresh", CLOCK - 2 * DAY)])
    join_lived(history, log, CLOCK)
    told = _told(history)
    assert told["quiet"] == (0, CLOCK - 3 * DAY)
    assert told["fresh"] == (None, None)


def test_the_joined_table_is_sorted_and_passes_its_suite(history: Path, log: SqlDecisionLog, tmp_path: Path) -> None:
    before = pq.read_metadata(history).num_rows
    log.commit([_case(f"x{number}", CLOCK - timedelta(days=25, minutes=-number)) for number in range(50)])
    assert join_lived(history, log, CLOCK).rows == 50
    assert pq.read_metadata(history).num_rows == before + 50
    assert validate_table(history, tmp_path / "page.html", detector="card", clock=CLOCK).passed


def test_joining_twice_adds_nothing_twice(history: Path, log: SqlDecisionLog) -> None:
    log.commit([_case("once", CLOCK - 10 * DAY)])
    assert join_lived(history, log, CLOCK).rows == 1
    again = join_lived(history, log, CLOCK)
    assert again.rows == 0
    assert "no transaction of its own" in again.left_out


def test_a_history_of_years_ago_is_left_alone(tmp_path: Path, log: SqlDecisionLog) -> None:
    table = tmp_path / "old.parquet"
    simulate(table, end=CLOCK - 400 * DAY, rows=4_000, days=80, seed=1)
    before = table.read_bytes()
    log.commit([_case("now", CLOCK - DAY)])
    assert "the log begins on 2026-02-28" in join_lived(table, log, CLOCK).left_out
    assert table.read_bytes() == before

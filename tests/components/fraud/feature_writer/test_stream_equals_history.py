"""The state in the store and the log's newer events give the features that history gives, whatever the lag."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from components.fraud.cards.events import Transaction, event_from_row
from components.fraud.cards.history import build_history
from components.fraud.cards.state import EntityState, apply, card_features
from components.fraud.feature_writer.folding import CARD_STREAM
from components.fraud.feature_writer.loop import fold_batch
from components.fraud.feature_writer.materialise import materialise_states
from feature_repo.fraud import CARD_FEATURE_NAMES
from feature_repo.fraud_online import FeastCardStates
from feature_repo.names import CARD_CURSOR
from feature_repo.writer_lock import writing
from runtime.decision_log import NewEvent
from runtime.decision_log.sql_log import SqlDecisionLog


@pytest.fixture(scope="module")
def table(world: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found: Path = world.write_table(tmp_path_factory.mktemp("world") / "transactions.parquet")
    return found


@pytest.fixture(scope="module")
def history(table: Path) -> dict[str, NDArray[np.float32]]:
    """Features of every transaction, computed over the whole table at once."""
    output = table.with_name("features.parquet")
    build_history(table, output)
    rows = pq.read_table(output)
    values = np.column_stack([rows[name].to_numpy() for name in CARD_FEATURE_NAMES])
    return dict(zip(rows["transaction_id"].to_pylist(), values, strict=True))


def _as_the_predictor(log: SqlDecisionLog, states: FeastCardStates, event: Transaction) -> NDArray[np.float32]:
    """Features of a transaction as served: the store's states, and what the gateway sends along."""
    keys = (("customer", event.customer_id), ("terminal", event.terminal_id))
    recent = log.recent(CARD_STREAM, keys, log.cursor(CARD_CURSOR), 10_000)
    (customer,), (terminal,) = states.read([event.customer_id], [event.terminal_id])
    own = EntityState.empty() if customer is None else EntityState.decode(customer)
    there = EntityState.empty() if terminal is None else EntityState.decode(terminal)
    for one in recent:
        newer = event_from_row({**one.body, "type": one.kind, "sequence": one.sequence})
        apply(
            newer,
            own if newer.customer_id == event.customer_id else None,
            there if newer.terminal_id == event.terminal_id else None,
        )
    return card_features(event, own, there)


def _follow(log: SqlDecisionLog, states: FeastCardStates, most: int) -> None:
    with writing(states.store, "a test"):
        fold_batch(log, states, most)


@pytest.mark.parametrize("seed", [1, 2])
def test_served_features_equal_those_of_history_at_any_lag(
    world: Any, history: dict[str, Any], log: SqlDecisionLog, states: FeastCardStates, seed: int
) -> None:
    random = np.random.default_rng(seed)
    compared, lags = 0, []
    for one in world.happenings():
        if isinstance(one.event, Transaction):
            served = _as_the_predictor(log, states, one.event)
            np.testing.assert_array_equal(served, history[one.new.event_id], err_msg=one.new.event_id)
            compared += 1
        log.commit([one.new])
        lags.append(log.head(CARD_STREAM) - log.cursor(CARD_CURSOR))
        if random.random() < 0.12:
            _follow(log, states, int(random.integers(1, 40)))
    assert compared == len(world.rows)
    assert max(lags) > 15
    assert any(row.any() for row in history.values())


def test_a_stream_goes_on_exactly_from_materialised_states(
    world: Any, table: Path, history: dict[str, Any], log: SqlDecisionLog, states: FeastCardStates
) -> None:
    happenings = world.happenings()
    turn = happenings[len(happenings) * 2 // 5].at_us
    before = [one for one in happenings if one.at_us <= turn]
    # The log holds the end of the history too, and something that the history never saw.
    log.commit([one.new for one in before[-25:]])
    _follow(log, states, 10)
    stranger = _stranger(before[-1].new)
    log.commit([stranger])
    report = materialise_states(table, datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=turn), log=log)
    assert report.logged_events == 1
    assert (report.customers, report.terminals) == (6, 5)
    assert log.cursor(CARD_CURSOR) == report.sequence == 26
    assert states.read(["stranger"], [])[0] != [None]

    random = np.random.default_rng(3)
    compared = 0
    for one in (one for one in happenings if one.at_us > turn):
        if isinstance(one.event, Transaction):
            served = _as_the_predictor(log, states, one.event)
            np.testing.assert_array_equal(served, history[one.new.event_id], err_msg=one.new.event_id)
            compared += 1
        log.commit([one.new])
        if random.random() < 0.1:
            _follow(log, states, int(random.integers(1, 30)))
    assert compared > 50


def _stranger(like: NewEvent) -> NewEvent:
    names = {"customer_id": "stranger", "terminal_id": "nowhere"}
    return NewEvent(
        stream=CARD_STREAM,
        kind="transaction",
        event_id="stranger",
        keys=(("customer", "stranger"), ("terminal", "nowhere")),
        occurred_at_us=like.occurred_at_us,
        body={**like.body, **names},
        caller="ann",
        idempotency_key=None,
        request_digest="stranger",
    )

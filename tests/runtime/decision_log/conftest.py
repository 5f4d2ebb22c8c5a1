from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from sqlalchemy import event as sqlalchemy_event

from runtime.decision_log import EntityKey, NewAlert, NewEvent
from runtime.decision_log.sql_log import SqlDecisionLog
from tests.support.clock import START_US, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(database_url: str, clock: Clock) -> Iterator[SqlDecisionLog]:
    opened = SqlDecisionLog(database_url, clock)
    yield opened
    opened.close()


@pytest.fixture
def commits(log: SqlDecisionLog) -> list[int]:
    """A list that grows by one with every transaction that is committed."""
    seen: list[int] = []
    sqlalchemy_event.listen(log._database.engine, "commit", lambda _connection: seen.append(1))
    return seen


def _event(
    event_id: str, *keys: EntityKey, alert: str | None = None, targets: Sequence[str] = (), **fields: Any
) -> NewEvent:
    given = {
        "stream": "cards",
        "kind": "transaction",
        "event_id": event_id,
        "keys": keys or (("customer", "C1"), ("terminal", "T1")),
        "occurred_at_us": START_US,
        "body": {"amount_minor": 1250, "ratio": 0.1},
        "caller": "ann",
        "idempotency_key": None,
        "request_digest": f"digest of {event_id}",
        "decision": {"id": f"decision-{event_id}", "decision": "accept", "probability": 0.1},
        "alert": None if alert is None else NewAlert(alert, "high", {"why": "amount"}, targets),
    }
    return NewEvent(**{**given, **fields})


@pytest.fixture
def event() -> Callable[..., NewEvent]:
    """A function that makes an event: `event(id, *keys, alert=None, targets=(), **fields)`."""
    return _event


@pytest.fixture
def label() -> Callable[..., NewEvent]:
    """A function that makes a label: `label(subject_id, fraud)`."""

    def make(subject_id: str, fraud: bool, **fields: Any) -> NewEvent:
        return _event(
            f"label-{subject_id}-{fraud}",
            kind="label",
            subject_id=subject_id,
            decision=None,
            body={"fraud": fraud},
            **fields,
        )

    return make

"""Alerts and their deliveries, on SQLite and on PostgreSQL."""

import threading
from collections.abc import Callable
from typing import Any

import pytest

from runtime.decision_log import (
    AlertNotFoundError,
    DeliveryNotFoundError,
    LeaseLostError,
    NewEvent,
)
from runtime.decision_log.sql_log import SqlDecisionLog

MakeEvent = Callable[..., NewEvent]


def test_an_alert_is_raised_with_its_event(log: SqlDecisionLog, event: MakeEvent) -> None:
    (logged,) = log.commit([event("t1", alert="a1")])
    alert = log.alerts.get("a1")
    assert alert is not None
    assert (alert.sequence, alert.stream, alert.event_id, alert.severity) == (1, "cards", "t1", "high")
    assert (alert.body, alert.raised_at, alert.state) == ({"why": "amount"}, logged.committed_at, "open")
    assert (alert.acknowledged_at, alert.acknowledged_by, alert.note) == (None, None, None)
    assert log.alerts.get("a2") is None


def test_alerts_are_listed_newest_first_by_state_and_page(log: SqlDecisionLog, event: MakeEvent) -> None:
    log.commit([event(f"t{number}", alert=f"a{number}") for number in range(5)])
    log.alerts.acknowledge("a3", "eve")

    def ids(*arguments: Any) -> list[str]:
        return [alert.id for alert in log.alerts.list(*arguments)]

    assert ids() == ["a4", "a3", "a2", "a1", "a0"]
    assert ids("open", None, 2) == ["a4", "a2"]
    last = log.alerts.list("open", None, 2)[-1]
    assert ids("open", last.sequence) == ["a1", "a0"]
    assert ids("acknowledged") == ["a3"]


def test_an_alert_is_acknowledged_once_and_the_first_name_stands(
    log: SqlDecisionLog, event: MakeEvent, clock: Any
) -> None:
    log.commit([event("t1", alert="a1")])
    clock.advance(5)
    first = log.alerts.acknowledge("a1", "eve", "a known customer")
    assert (first.state, first.acknowledged_by, first.note) == ("acknowledged", "eve", "a known customer")
    assert first.acknowledged_at is not None
    assert (first.acknowledged_at - first.raised_at).total_seconds() == 5
    clock.advance(5)
    assert log.alerts.acknowledge("a1", "bob", "mine") == first
    with pytest.raises(AlertNotFoundError, match="a2"):
        log.alerts.acknowledge("a2", "eve")


def test_a_listener_resumes_after_the_last_thing_it_heard(log: SqlDecisionLog, event: MakeEvent) -> None:
    assert log.alerts.last_number() == 0
    log.commit([event("t1", alert="a1"), event("t2"), event("t3", alert="a3")])
    log.alerts.acknowledge("a1", "eve")
    log.commit([event("t4", alert="a4")])
    heard = log.alerts.events(0, 3)
    assert [(one.number, one.event, one.alert.id) for one in heard] == [
        (1, "raised", "a1"),
        (2, "raised", "a3"),
        (3, "acknowledged", "a1"),
    ]
    assert [one.alert.id for one in log.alerts.events(heard[-1].number)] == ["a4"]
    assert log.alerts.last_number() == 4


def test_every_target_gets_a_delivery(log: SqlDecisionLog, event: MakeEvent) -> None:
    log.commit([event("t1", alert="a1", targets=["ops", "bank", "ops"]), event("t2", alert="a2")])
    assert log.deliveries.counts() == {"pending": 2, "delivered": 0, "dead": 0}
    claimed = log.deliveries.claim(10, 30)
    assert [(one.target, one.alert.id, one.attempts, one.state) for one in claimed] == [
        ("ops", "a1", 0, "pending"),
        ("bank", "a1", 0, "pending"),
    ]
    ended = log.deliveries.delivered(claimed[0])
    assert (ended.state, ended.attempts) == ("delivered", 1)
    assert log.deliveries.counts() == {"pending": 1, "delivered": 1, "dead": 0}


def test_what_is_claimed_is_nobody_elses_until_the_lease_ends(
    log: SqlDecisionLog, event: MakeEvent, clock: Any
) -> None:
    log.commit([event("t1", alert="a1", targets=["ops"])])
    (mine,) = log.deliveries.claim(10, 30)
    assert log.deliveries.claim(10, 30) == []
    clock.advance(29)
    assert log.deliveries.claim(10, 30) == []
    clock.advance(1)
    (yours,) = log.deliveries.claim(10, 30)
    assert (yours.id, yours.epoch) == (mine.id, mine.epoch + 1)
    with pytest.raises(LeaseLostError, match="epoch 1"):
        log.deliveries.delivered(mine)
    with pytest.raises(LeaseLostError):
        log.deliveries.failed(mine, "refused", 1, 3)
    log.deliveries.delivered(yours)
    with pytest.raises(LeaseLostError):
        log.deliveries.delivered(yours)


def test_a_failed_delivery_is_due_again_when_the_caller_says_and_dies_in_the_end(
    log: SqlDecisionLog, event: MakeEvent, clock: Any
) -> None:
    log.commit([event("t1", alert="a1", targets=["ops"])])
    for attempt, wait in enumerate((2.5, 5), start=1):
        (held,) = log.deliveries.claim(1, 30)
        failed = log.deliveries.failed(held, f"status 50{attempt}", wait, 3)
        assert (failed.state, failed.attempts, failed.last_error) == ("pending", attempt, f"status 50{attempt}")
        assert log.deliveries.next_due() == failed.due_at
        clock.advance(wait - 0.001)
        assert log.deliveries.claim(1, 30) == []
        clock.advance(0.001)
    (held,) = log.deliveries.claim(1, 30)
    assert log.deliveries.failed(held, "status 503", 9, 3).state == "dead"
    clock.advance(3600)
    assert log.deliveries.claim(1, 30) == []
    assert log.deliveries.next_due() is None
    (dead,) = log.deliveries.list("dead")
    assert (dead.last_error, dead.alert.id) == ("status 503", "a1")


def test_a_dead_delivery_can_be_revived(log: SqlDecisionLog, event: MakeEvent) -> None:
    log.commit([event("t1", alert="a1", targets=["ops"])])
    (held,) = log.deliveries.claim(1, 30)
    log.deliveries.failed(held, "status 500", 1, 1)
    assert log.deliveries.revive(held.id).attempts == 0
    (again,) = log.deliveries.claim(1, 30)
    assert again.id == held.id
    log.deliveries.delivered(again)
    with pytest.raises(DeliveryNotFoundError, match=str(held.id)):
        log.deliveries.revive(held.id)


def test_deliveries_of_a_state_are_paged_newest_first(log: SqlDecisionLog, event: MakeEvent) -> None:
    log.commit([event(f"t{number}", alert=f"a{number}", targets=["ops"]) for number in range(4)])
    first = log.deliveries.list("pending", None, 3)
    assert [one.alert.id for one in first] == ["a3", "a2", "a1"]
    assert [one.alert.id for one in log.deliveries.list("pending", first[-1].id)] == ["a0"]


def test_claims_at_once_never_share_a_delivery(database_url: str, event: MakeEvent) -> None:
    logs = [SqlDecisionLog(database_url) for _ in range(3)]
    logs[0].commit([event(f"t{number}", alert=f"a{number}", targets=["ops"]) for number in range(60)])
    taken: list[int] = []

    def work(log: SqlDecisionLog) -> None:
        while held := log.deliveries.claim(4, 60):
            taken.extend(one.id for one in held)
            for one in held:
                log.deliveries.delivered(one)

    threads = [threading.Thread(target=work, args=(log,)) for log in logs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == len(set(taken)) == 60
    assert logs[0].deliveries.counts() == {"pending": 0, "delivered": 60, "dead": 0}
    for log in logs:
        log.close()

"""How a process that turns in a loop is."""

from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry, Counter

from runtime.vitals import LoopVitals


def vitals(stuck_after_seconds: float = 60) -> LoopVitals:
    registry = CollectorRegistry()
    failures = Counter("failures", "Turns that failed.", registry=registry)
    return LoopVitals(stuck_after_seconds, "nothing was read yet", failures, registry)


def test_it_is_alive_but_not_ready_before_the_first_turn() -> None:
    one = vitals()
    assert one.health() == (200, {"status": "alive"})
    assert one.ready() == (503, {"ready": False, "reason": "nothing was read yet"})


def test_it_is_ready_after_a_good_turn_and_says_why_not_after_a_bad_one() -> None:
    one = vitals()
    one.turned()
    assert one.ready() == (200, {"ready": True})
    one.failed("the store is away")
    assert one.ready() == (503, {"ready": False, "reason": "the store is away"})
    assert one.health() == (200, {"status": "alive"})
    assert one.registry.get_sample_value("failures_total") == 1
    one.turned()
    assert one.ready() == (200, {"ready": True})


def test_silence_is_neither_alive_nor_ready_until_it_turns_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("runtime.vitals.time", SimpleNamespace(monotonic=lambda: now[0]))
    one = vitals(2.5)
    one.turned()
    now[0] += 2.5
    assert one.health() == (503, {"status": "stuck"})
    assert one.ready() == (503, {"ready": False, "reason": "the loop has been silent for over 2.5 s"})
    one.failed("the store is away")
    assert one.health() == (200, {"status": "alive"})
    now[0] += 2.4
    one.turned()
    assert one.ready() == (200, {"ready": True})

"""Figures of runs that a real store kept, and the rules upon them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from brain.l20.analytics.figures import Comparison, Ends, Figures, Quantiles, Waiting, Workers, look
from brain.l20.analytics.gauges import metrics
from brain.l20.analytics.recommendations import RULES, recommend
from brain.l20.analytics.settings import AnalyticsSettings
from brain.runs import NewRun, NewTask, Priority, TaskChange
from brain.runs.presence import Beat
from brain.runs.store import SqlRunStore
from tests.support.clock import Clock

NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def clock() -> Clock:
    return Clock(look_us=1)


@pytest.fixture
def store(database_url: str, clock: Clock) -> Iterator[SqlRunStore]:
    opened = SqlRunStore(database_url, clock)
    yield opened
    opened.close()


@pytest.fixture
def history(store: SqlRunStore, clock: Clock) -> Callable[..., None]:
    """A function that lets a run of one task wait, work and end."""
    made = iter(range(1000))

    def one(
        wait: float, work: float | None, state: Any = "succeeded", kind: str = "orchestration", estimate: float = 2.0
    ) -> None:
        name = f"run{next(made):04}"
        task = NewTask("a", "toy", estimate_seconds=estimate)
        store.create(NewRun(name, kind, "ann", {}, name, (task,)))
        clock.advance(wait)
        if work is None:
            store.ask_cancel(name)
            return
        held = store.claim("w", 1e6, [kind])
        assert held is not None and held.run.id == name
        store.commit(held, [TaskChange("a", "running", 1)])
        clock.advance(work)
        store.commit(held, [TaskChange("a", state, 1, cost_minor=3)], state=state)

    return one


def queued(store: SqlRunStore, name: str, priority: Priority) -> None:
    store.create(NewRun(name, "plan", "ann", {}, name, (), priority))


def test_what_happened_is_counted_by_kind_type_and_priority(
    store: SqlRunStore, clock: Clock, history: Callable[..., None]
) -> None:
    for wait, work in ((1, 10), (2, 20), (3, 30)):
        history(wait, work)
    history(4, 99, "failed")
    history(5, None)
    queued(store, "q1", "high")
    clock.advance(50)
    queued(store, "q2", "high")
    store.beat(Beat("w", places=8, held=2))
    clock.advance(10)
    found = look(store, 1000, 100, 2, clock.now)
    assert found.runs == {"orchestration": Ends(3, 1, 1)}
    assert found.calls == {"toy": Ends(3, 1, 0)}
    assert found.runs["orchestration"].rate == 0.75
    assert found.queue["high"].depth == 2 and found.queue["high"].oldest_seconds == pytest.approx(60, abs=0.01)
    assert found.queue["normal"] == Waiting(0, None)
    assert found.active == {"queued": 2}
    waits = found.waits["orchestration"]
    assert (waits.observed, waits.censored) == (4, 1)
    assert [waits.seconds[name] for name in ("p50", "p90")] == [pytest.approx(3, abs=0.01), None]
    took = found.call_seconds["toy"]
    assert (took.observed, took.censored, took.seconds["p99"]) == (3, 1, None), "the failed one is no duration"
    assert took.seconds["p50"] == pytest.approx(20, abs=0.01)
    assert found.spent_minor == 12
    assert (found.workers.living, found.workers.places, found.workers.held) == (1, 8, 2)
    assert found.workers.busy == pytest.approx((10 + 20 + 30 + 99) / 8000, abs=1e-5)
    toy = found.estimates["toy"]
    assert toy.ratio == pytest.approx(10, rel=0.01) and toy.learned is not None and toy.learned.censored == 1


def test_what_ended_before_the_window_is_left_out_and_what_reaches_into_it_counts_from_there(
    store: SqlRunStore, clock: Clock, history: Callable[..., None]
) -> None:
    history(1, 10)
    clock.advance(100)
    history(1, 60)
    store.beat(Beat("w", places=1))
    found = look(store, 30, 100, 2, clock.now)
    assert found.runs == {"orchestration": Ends(1, 0, 0)}
    assert found.workers.busy == pytest.approx(1.0, abs=0.01)
    assert look(store, 1000, 1, 2, clock.now).truncated


def test_an_empty_store_has_empty_figures_and_recommends_nothing(store: SqlRunStore, clock: Clock) -> None:
    found = look(store, 1000, 100, 2, clock.now)
    assert (found.runs, found.waits, found.workers.busy, found.truncated) == ({}, {}, None, False)
    assert recommend(found, AnalyticsSettings()) == []


def test_prometheus_hears_of_the_same_figures(store: SqlRunStore, clock: Clock, history: Callable[..., None]) -> None:
    history(1, 10)
    queued(store, "q1", "low")
    clock.advance(5)
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in metrics(look(store, 1000, 100, 2, clock.now))
        for sample in metric.samples
    }
    assert samples["brain_queue_depth", "low"] == 1
    assert samples["brain_queue_oldest_seconds", "low"] == pytest.approx(5, abs=0.01)
    assert samples["brain_task_seconds", "toy", "p50"] == pytest.approx(10, abs=0.01)
    assert samples["brain_task_success_ratio", "toy"] == 1
    assert samples["brain_task_estimate_ratio", "toy"] == pytest.approx(5, abs=0.01)
    assert samples[("brain_worker_places",)] == 0


QUIET = Figures(
    since=NOW - timedelta(hours=1),
    until=NOW,
    truncated=False,
    runs={},
    calls={},
    queue={"normal": Waiting()},
    waits={},
    run_seconds={},
    call_seconds={},
    estimates={},
    workers=Workers(1, 8, 1, 0.5),
)


def took(p50: float, p90: float, p99: float, observed: int = 20) -> Quantiles:
    return Quantiles({"p50": p50, "p90": p90, "p99": p99}, observed, 0)


RULE_CASES: list[tuple[str, dict[str, Any], dict[str, Any], tuple[str, ...]]] = [
    (
        "no_worker",
        {"queue": {"normal": Waiting(3, 1.0)}, "workers": Workers()},
        {"queue": {"normal": Waiting(0)}, "workers": Workers()},
        ("3 runs",),
    ),
    (
        "old_queue",
        {"queue": {"normal": Waiting(3, 61.0)}},
        {"queue": {"normal": Waiting(3, 60.0)}},
        ("3 queued", "61 s", "60 s", "1 of 8"),
    ),
    (
        "long_waits",
        {"waits": {"plan": took(1, 30.5, 40)}},
        {"waits": {"plan": took(1, 30, 40), "few": took(1, 99, 99, 19)}},
        ("20 runs", "'plan'", "30.5 s"),
    ),
    (
        "failures",
        {"calls": {"toy": Ends(17, 3)}},
        {"calls": {"toy": Ends(18, 2), "few": Ends(0, 19)}},
        ("3 of 20", "'toy'", "15%"),
    ),
    (
        "wrong_estimates",
        {"estimates": {"toy": Comparison(1.0, 2.5, None, 20, 0)}},
        {"estimates": {"toy": Comparison(1.0, 2.0, None, 20, 0), "few": Comparison(1.0, 9.0, None, 19, 0)}},
        ("1 s", "2.5 s", "2.5 times", "20 calls"),
    ),
    ("busy_workers", {"workers": Workers(1, 8, 8, 0.81)}, {"workers": Workers(1, 8, 8, 0.8)}, ("81%", "8 places")),
    ("idle_workers", {"workers": Workers(2, 16, 0, 0.04)}, {"workers": Workers(1, 8, 0, 0.0)}, ("2 workers", "4.0%")),
    (
        "slow_tail",
        {"call_seconds": {"toy": took(0.1, 1, 2.1)}},
        {"call_seconds": {"toy": took(0.1, 1, 2.0), "few": took(0.1, 1, 99, 19)}},
        ("20 calls", "2.1 s", "21 times", "0.1 s"),
    ),
]


@pytest.mark.parametrize(("rule", "beyond", "within", "quoted"), RULE_CASES, ids=[case[0] for case in RULE_CASES])
def test_a_rule_speaks_beyond_its_threshold_quotes_its_numbers_and_is_silent_within(
    rule: str, beyond: dict[str, Any], within: dict[str, Any], quoted: tuple[str, ...]
) -> None:
    settings = AnalyticsSettings()
    (found,) = [one for one in recommend(replace(QUIET, **beyond), settings) if one.rule == rule]
    assert all(words in found.text for words in quoted), found.text
    assert found.numbers
    assert [one.rule for one in recommend(replace(QUIET, **within), settings)] == []


def test_every_rule_has_a_case() -> None:
    assert [rule.__name__ for rule in RULES] == [case[0] for case in RULE_CASES]
    assert recommend(QUIET, AnalyticsSettings()) == []


def test_a_threshold_is_a_setting() -> None:
    figures = replace(QUIET, queue={"normal": Waiting(1, 10.0)})
    assert [one.rule for one in recommend(figures, AnalyticsSettings(oldest_wait_seconds=5))] == ["old_queue"]

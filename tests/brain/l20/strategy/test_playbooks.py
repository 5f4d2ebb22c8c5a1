"""The playbooks that ship: sound, realistic in size, and each a plan by itself and beside every other."""

from datetime import UTC, datetime
from itertools import permutations

import pytest

from brain.capabilities.planned import capabilities as planned
from brain.l20.planning.heuristic import heuristic
from brain.l20.strategy.build import build
from brain.l20.strategy.library import load_library
from brain.l20.strategy.order import Order
from brain.l20.strategy.outline import compose, with_uses
from brain.l20.strategy.playbook import Playbook

LIBRARY = load_library()
NAMES = sorted(LIBRARY)


def order_of(*playbooks: Playbook) -> Order:
    outline = compose(with_uses(playbooks, LIBRARY))
    monday = datetime(2027, 3, 1, 9, tzinfo=UTC)
    return Order(
        objective="x", playbooks=(), outline=outline, starts_at=monday, hours_per_day=8, days_per_week=5, quantile=0.7
    )


def test_the_domains_that_are_promised_are_there() -> None:
    assert set(NAMES) == {
        "product_launch",
        "marketing_campaign",
        "product_content",
        "web_app",
        "media_production",
        "fraud_hardening",
        "forecasting_service",
        "platform_migration",
    }


@pytest.mark.parametrize("name", NAMES)
def test_a_playbook_has_ten_to_25_tasks_of_up_to_three_modes_and_its_risks(name: str) -> None:
    playbook = LIBRARY[name]
    assert 10 <= len(playbook.tasks) <= 25
    assert all(1 <= len(task.modes) <= 3 for task in playbook.tasks)
    assert len(playbook.risks) >= 3


@pytest.mark.parametrize("name", NAMES)
def test_its_own_means_are_enough_for_a_schedule(name: str) -> None:
    problem = build(order_of(LIBRARY[name]), lambda _type: None).problem()
    schedule = heuristic(problem, seconds=0.1)
    assert schedule is not None
    assert 40 < schedule.makespan < 400  # one to ten weeks of work


@pytest.mark.parametrize("name", NAMES)
def test_no_mode_is_beaten_in_everything_by_another_of_its_task(name: str) -> None:
    """One that is no shorter, no cheaper and needs no less would never be chosen, and stands there for nothing."""
    project = build(order_of(LIBRARY[name]), lambda _type: None)
    for task in project.order.outline.tasks:
        for one, other in permutations(task.modes, 2):
            mine, its = project.costed[task.id, one.name], project.costed[task.id, other.name]
            needs_no_more = all(units <= one.needs.get(means, 0) for means, units in other.needs.items())
            beaten = its.hours(0.5) <= mine.hours(0.5) and its.cost(0.5) <= mine.cost(0.5) and needs_no_more
            assert not beaten, (task.id, one.name, other.name)


@pytest.mark.parametrize(("first", "second"), list(permutations(NAMES, 2)))
def test_any_two_go_together_in_either_order(first: str, second: str) -> None:
    assert compose((LIBRARY[first], LIBRARY[second])).tasks


def test_all_of_them_go_together() -> None:
    assert len(compose(tuple(LIBRARY.values())).tasks) > 100


def test_a_capability_is_one_that_the_platform_knows() -> None:
    known = {one.type for one in planned()} | {"crypto_prediction", "fraud_analysis"}
    used = {task.capability for playbook in LIBRARY.values() for task in playbook.tasks if task.capability}
    assert used <= known


def test_the_launch_waits_for_its_campaign_and_the_campaign_for_the_decision() -> None:
    tasks = {task.id: task for task in order_of(LIBRARY["product_launch"], LIBRARY["marketing_campaign"]).outline.tasks}
    assert "announcement" not in tasks
    assert "approval" in tasks["go_no_go"].after
    assert "go_no_go" in tasks["go_live"].after


def test_the_campaign_waits_for_the_pictures_that_are_produced() -> None:
    tasks = {
        task.id: task for task in order_of(LIBRARY["marketing_campaign"], LIBRARY["media_production"]).outline.tasks
    }
    assert "key_visuals" not in tasks
    assert {"finished_pictures", "finished_video"} <= set(tasks["media_setup"].after)

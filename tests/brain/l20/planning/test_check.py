from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from brain.l20.planning.check import ScheduleError, check, violations
from brain.l20.planning.problem import Mode, Problem, Resource, Schedule, Slot, Task
from tests.support.projects import HOUSE_AT_BEST, planned


def changed(schedule: Schedule, task: str, **fields: object) -> Schedule:
    slots = dict(schedule.slots)
    slots[task] = replace(slots[task], **fields)  # type: ignore[arg-type]
    return Schedule(slots)


def broken_rules(problem: Problem, schedule: Schedule) -> set[str]:
    return {each.rule for each in violations(problem, schedule)}


def shifted(schedule: Schedule, task: str, by: int) -> Schedule:
    slot = schedule.slots[task]
    return changed(schedule, task, start=slot.start + by, end=slot.end + by)


def test_a_good_schedule_passes_unchanged(house: Problem) -> None:
    assert check(house, HOUSE_AT_BEST) is HOUSE_AT_BEST


def test_a_start_before_a_predecessor_ends_is_refused(house: Problem) -> None:
    assert broken_rules(house, shifted(HOUSE_AT_BEST, "done", -1)) == {"precedence"}


def test_more_than_the_capacity_is_refused_and_the_moment_named(house: Problem) -> None:
    with pytest.raises(ScheduleError, match="3 of 'crew' are used at 6, and there are 2") as caught:
        check(house, changed(HOUSE_AT_BEST, "garden", start=6, end=10))
    assert {each.rule for each in caught.value.violations} == {"resource"}


def test_touching_slots_do_not_share_a_moment(house: Problem) -> None:
    assert not violations(house, shifted(shifted(HOUSE_AT_BEST, "garden", 5), "done", 5))
    assert not violations(house, HOUSE_AT_BEST)


def test_a_missing_task_is_refused(house: Problem) -> None:
    assert broken_rules(house, Schedule({k: v for k, v in HOUSE_AT_BEST.slots.items() if k != "garden"})) == {"tasks"}


def test_a_task_that_is_not_of_the_problem_is_refused(house: Problem) -> None:
    slots = {**HOUSE_AT_BEST.slots, "pool": Slot("pool", "only", 0, 1)}
    assert broken_rules(house, Schedule(slots)) == {"tasks"}


def test_an_unknown_mode_is_refused(house: Problem) -> None:
    assert broken_rules(house, changed(HOUSE_AT_BEST, "roof", mode="thatched")) == {"mode"}


def test_a_start_before_the_project_is_refused(house: Problem) -> None:
    assert "duration" in broken_rules(house, changed(HOUSE_AT_BEST, "ground", start=-1, end=2))


def test_a_budget_that_is_passed_by_one_is_refused(trade: Problem) -> None:
    schedule = Schedule({"a": Slot("a", "slow", 0, 5), "b": Slot("b", "fast", 5, 7)})
    assert not violations(replace(trade, budget=60), schedule)
    assert broken_rules(replace(trade, budget=59), schedule) == {"budget"}


def test_a_horizon_that_is_passed_by_one_is_refused(house: Problem) -> None:
    assert not violations(replace(house, horizon=13), HOUSE_AT_BEST)
    assert broken_rules(replace(house, horizon=12), HOUSE_AT_BEST) == {"horizon"}


def test_a_milestone_takes_no_resource() -> None:
    tasks = (Task("work", (Mode("m", 4, {"crew": 1}),)), Task("stone", (Mode("m", 0, {"crew": 1}),)))
    problem = Problem(tasks, (Resource("crew", 1),))
    assert not violations(problem, Schedule({"work": Slot("work", "m", 0, 4), "stone": Slot("stone", "m", 2, 2)}))


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_what_the_heuristic_makes_passes(problems: st.SearchStrategy[Problem], data: st.DataObject) -> None:
    problem = data.draw(problems)
    assert violations(problem, planned(problem, samples=3)) == ()


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_a_slot_of_another_length_is_refused(problems: st.SearchStrategy[Problem], data: st.DataObject) -> None:
    problem = data.draw(problems)
    schedule = planned(problem, samples=3)
    slot = schedule.slots[data.draw(st.sampled_from(problem.order))]
    assert "duration" in broken_rules(problem, changed(schedule, slot.task, end=slot.end + 1))


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_a_task_that_is_moved_before_its_predecessor_is_refused(
    problems: st.SearchStrategy[Problem], data: st.DataObject
) -> None:
    problem = data.draw(problems)
    schedule = planned(problem, samples=3)
    late = [task.id for task in problem.tasks if any(schedule.slots[each].end for each in task.after)]
    assume(late)
    name = data.draw(st.sampled_from(late))
    assert "precedence" in broken_rules(problem, shifted(schedule, name, -schedule.slots[name].start))


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_a_resource_is_tested_at_every_moment(problems: st.SearchStrategy[Problem], data: st.DataObject) -> None:
    """Against a count unit by unit: shift one task anywhere, and the checker must say what counting says."""
    problem = data.draw(problems)
    schedule = planned(problem, samples=3)
    name = data.draw(st.sampled_from(problem.order))
    start = data.draw(st.integers(0, schedule.makespan))
    moved = shifted(schedule, name, start - schedule.slots[name].start)
    over = False
    for resource, capacity in problem.capacity.items():
        for moment in range(moved.makespan):
            used = 0
            for slot in moved.slots.values():
                mode = problem.by_id[slot.task].mode(slot.mode)
                assert mode
                used += mode.demands.get(resource, 0) * (slot.start <= moment < slot.end)
            over = over or used > capacity
    assert ("resource" in broken_rules(problem, moved)) == over


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_the_cost_is_the_sum_of_the_chosen_modes(problems: st.SearchStrategy[Problem], data: st.DataObject) -> None:
    problem = data.draw(problems)
    schedule = planned(problem, samples=3)
    costs = [mode.cost for task in problem.tasks for mode in task.modes if mode.name == schedule.slots[task.id].mode]
    assert schedule.cost(problem) == sum(costs)

from hypothesis import given, settings
from hypothesis import strategies as st

from brain.l20.planning.problem import Problem, Schedule, Slot
from brain.l20.planning.profile import Usage, critical_path, resource_profile
from tests.support.projects import planned

HOUSE = {"ground": (0, 3), "walls": (3, 7), "garden": (7, 11), "roof": (11, 13), "done": (13, 13)}


def scheduled(times: dict[str, tuple[int, int]]) -> Schedule:
    return Schedule({name: Slot(name, "only", start, end) for name, (start, end) in times.items()})


def test_the_profile_has_a_step_a_level(house: Problem) -> None:
    assert resource_profile(house, scheduled(HOUSE), "crew") == (Usage(0, 7, 1), Usage(7, 13, 2))


def test_the_profile_shows_idle_times(house: Problem) -> None:
    late = scheduled(HOUSE | {"ground": (1, 3), "roof": (12, 14), "done": (14, 14)})
    assert [(step.start, step.used) for step in resource_profile(house, late, "crew")] == [
        (0, 0), (1, 1), (7, 2), (11, 0), (12, 2),
    ]  # fmt: skip


def test_the_critical_path_goes_over_precedence_and_scarce_resources(house: Problem) -> None:
    assert critical_path(house, scheduled(HOUSE)) == ("ground", "walls", "garden", "roof", "done")


def test_the_critical_path_begins_after_a_wait_that_nothing_forces(house: Problem) -> None:
    late = scheduled(HOUSE | {"garden": (8, 12), "roof": (12, 14), "done": (14, 14)})
    assert critical_path(house, late) == ("garden", "roof", "done")


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_justified_schedules_have_an_unbroken_critical_path(
    problems: st.SearchStrategy[Problem], data: st.DataObject
) -> None:
    problem = data.draw(problems)
    schedule = planned(problem, samples=5)
    path = [schedule.slots[name] for name in critical_path(problem, schedule)]
    assert path[0].start == 0
    assert path[-1].end == schedule.makespan
    assert all(before.end == after.start for before, after in zip(path, path[1:], strict=False))


@settings(deadline=None, max_examples=25)
@given(st.data())
def test_the_profile_holds_the_work_of_all_tasks(problems: st.SearchStrategy[Problem], data: st.DataObject) -> None:
    problem = data.draw(problems)
    schedule = planned(problem, samples=5)
    for name in problem.capacity:
        steps = resource_profile(problem, schedule, name)
        work = 0
        for slot in schedule.slots.values():
            mode = problem.by_id[slot.task].mode(slot.mode)
            assert mode
            work += mode.duration * mode.demands.get(name, 0)
        assert sum((step.end - step.start) * step.used for step in steps) == work
        assert all(one.end == two.start and one.used != two.used for one, two in zip(steps, steps[1:], strict=False))

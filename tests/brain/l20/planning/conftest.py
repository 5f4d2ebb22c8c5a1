"""Small projects: one by hand whose optimum is known, and random ones with modes, budget and resources."""

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import strategies as st

from brain.l20.planning.problem import Mode, Problem, Resource, Task


def single(name: str, duration: int, *after: str, **demands: int) -> Task:
    return Task(name, (Mode("only", duration, demands),), after)


@pytest.fixture(scope="session")
def house() -> Problem:
    """A crew of two; roof and garden need both. 13 units at best, 9 if the crew were larger."""
    tasks = (
        single("ground", 3, crew=1),
        single("walls", 4, "ground", crew=1),
        single("garden", 4, "ground", crew=2),
        single("roof", 2, "walls", crew=2),
        single("done", 0, "roof", "garden"),
    )
    return Problem(tasks, (Resource("crew", 2),))


@pytest.fixture(scope="session")
def trade() -> Problem:
    """Two tasks in a row, slow and cheap or fast and dear: 10 units for 20, 7 for 60 either way, 4 for 100."""
    modes = (Mode("slow", 5, {"desk": 1}, 10), Mode("fast", 2, {"desk": 1}, 50))
    return Problem((Task("a", modes), Task("b", modes, ("a",))), (Resource("desk", 1),))


@st.composite
def _problems(draw: st.DrawFn, most_tasks: int = 8) -> Problem:
    """Projects that have a schedule: a budget is above the cheapest cost, a horizon above all durations together."""
    resources = tuple(Resource(f"r{number}", draw(st.integers(1, 4))) for number in range(draw(st.integers(0, 2))))
    tasks: list[Task] = []
    for number in range(draw(st.integers(1, most_tasks))):
        modes = tuple(
            Mode(
                f"m{place}",
                draw(st.integers(0, 5)),
                {each.name: draw(st.integers(0, each.capacity)) for each in resources},
                draw(st.integers(0, 9)),
            )
            for place in range(draw(st.integers(1, 3)))
        )
        after = draw(st.sets(st.sampled_from([task.id for task in tasks]), max_size=3)) if tasks else ()
        tasks.append(Task(f"t{number}", modes, tuple(sorted(after))))
    cheapest = sum(min(mode.cost for mode in task.modes) for task in tasks)
    longest = sum(max(mode.duration for mode in task.modes) for task in tasks)
    budget = draw(st.none() | st.integers(cheapest, cheapest + 10))
    horizon = draw(st.none() | st.just(longest))
    return Problem(tuple(draw(st.permutations(tasks))), resources, horizon, budget)


@pytest.fixture(scope="session")
def problems() -> st.SearchStrategy[Problem]:
    """Random small projects that have a schedule."""
    return _problems()


@pytest.fixture(scope="session")
def large() -> Callable[[int, int], Problem]:
    """Random projects of so many tasks, by seed."""
    return _large


def _large(tasks: int, seed: int) -> Problem:
    random = Random(seed)
    resources = tuple(Resource(f"r{number}", 12) for number in range(4))
    made = []
    for number in range(tasks):
        demands = {each.name: random.randint(0, 6) for each in resources}
        after = {f"t{random.randrange(max(0, number - 15), number)}" for _ in range(2)} if number else set()
        made.append(Task(f"t{number}", (Mode("m", random.randint(1, 10), demands),), tuple(sorted(after))))
    return Problem(tuple(made), resources)


@pytest.fixture(scope="session")
def with_modes() -> Callable[[int, int], Problem]:
    """Random projects of so many tasks, by seed, each of which can be done fast and dear or slow and cheap."""
    return _with_modes


def _with_modes(tasks: int, seed: int) -> Problem:
    """Three modes a task: half as long again with two thirds of the people costs 60 %, twice as long 30 to 40 %."""
    random = Random(seed)
    base = _large(tasks, seed)
    made = []
    for task in base.tasks:
        fast, price = task.modes[0], random.randint(50, 500)
        modes = [
            Mode("fast", fast.duration, fast.demands, price),
            Mode(
                "usual",
                -(-fast.duration * 3 // 2),
                {k: -(-v * 2 // 3) for k, v in fast.demands.items()},
                price * 3 // 5,
            ),
            Mode(
                "slow",
                fast.duration * 2,
                {k: -(-v // 2) for k, v in fast.demands.items()},
                price * random.randint(30, 40) // 100,
            ),
        ]
        made.append(Task(task.id, tuple(modes), task.after))
    return Problem(tuple(made), base.resources)

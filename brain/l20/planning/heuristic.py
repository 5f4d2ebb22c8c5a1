"""A good schedule soon: priority rules, then random keys, then crossover of activity lists; all of them justified.

The search is the hybrid genetic algorithm of Valls, Ballestín and Quintanilla (2008) in small: lists that are crossed
at two points (Hartmann 1998), serial generation, double justification. Modes travel with the tasks (Hartmann 2001).
"""

import time
from collections.abc import Callable, Iterator
from random import Random
from typing import Literal

from brain.l20.planning.bounds import cost_bound
from brain.l20.planning.cheapen import cheapen
from brain.l20.planning.compact import Compact, State, compact
from brain.l20.planning.modes import first_modes, mutate, repair
from brain.l20.planning.population import Member, Population
from brain.l20.planning.problem import Problem, Schedule
from brain.l20.planning.rules import ordered, priorities
from brain.l20.planning.serial import by_start, forward, justify

Objective = Literal["makespan", "cost"]

SMALLEST_POPULATION, MEMBERS_A_TASK, GENERATIONS = 40, 4, 35
"""The population is so large that the time is enough for about so many generations; both too few and too many end
early, at 10 s and 120 tasks by 1 to 2 % of the makespan."""
SECONDS_A_TASK = 1e-5
"""What one schedule costs, roughly, for each task."""
NOISE = 0.3
"""Random part of a priority, as a share of the range of the rule."""
PATIENCE = 200, 20, 5
"""Schedules without a better one after which the search ends: so many, so many more a task and for each member."""
CHEAPEN_SHARE = 0.7
"""Of the time under the cost objective, for cheaper modes in the best schedule."""
MUTATION = 0.05
"""Probability that two neighbours of a list change places."""


def heuristic(
    problem: Problem,
    objective: Objective = "makespan",
    seconds: float = 0.15,
    seed: int = 0,
    samples: int | None = None,
) -> Schedule | None:
    """The best schedule that is found in the time; the same for a seed where `samples` ends the search.

    Args:
        problem: The project.
        objective: Makespan, then cost; or cost within the horizon, then makespan.
        seconds: Wall time after which no further schedule is begun; one is always made.
        seed: Of the random draws.
        samples: Most schedules to be made; under the cost objective also most descents.

    Returns:
        A schedule within budget and horizon; None where none was found, which proves nothing.
    """
    ends = time.monotonic() + seconds
    project = compact(problem)
    horizon, least_cost = problem.horizon, cost_bound(problem)
    cheapening = objective == "cost" and horizon is not None
    search_ends = ends - CHEAPEN_SHARE * seconds if cheapening else ends
    best: Member | None = None
    last = 0
    schedules = (search_ends - time.monotonic()) / (SECONDS_A_TASK * max(1, len(project)))
    population = Population(_size(project, schedules if samples is None else min(schedules, samples)))
    for count, member in enumerate(_members(project, objective, Random(seed), population), start=1):  # noqa: S311 - no secret
        if best is None or member.score < best.score:
            best, last = member, count
        if (
            _is_tired(project, population, count - last)
            or time.monotonic() >= search_ends
            or count == samples
            or _is_best(project, objective, best, least_cost)
        ):
            break
    if best is None or best.score[0]:
        return None
    state = best.starts, best.modes
    if cheapening and horizon is not None:
        state = cheapen(project, state, horizon, ends, Random(seed), samples)  # noqa: S311 - no secret
    return project.schedule(*state)


def evolve(project: Compact, seed: int, share: Callable[[State], State | None], seconds: float) -> None:
    """Go on for the makespan, population after population, until told to stop.

    Args:
        project: The project.
        seed: Of the random draws.
        share: Is given each schedule and answers the shortest of all, which joins the population; None: stop.
        seconds: After how long that will be, about; with how fast the first schedules are made, as the machine goes, it
            decides how large the population is.
    """
    random = Random(seed)  # noqa: S311 - no secret
    ends = time.monotonic() + seconds
    best: State | None = None
    while True:
        population, last, began = Population(SMALLEST_POPULATION), 0, time.monotonic()
        for count, member in enumerate(_members(project, "makespan", random, population), start=1):
            shared = share((member.starts, member.modes))
            if shared is None:
                return
            if shared is not best:
                best, last = shared, count
            if count == SMALLEST_POPULATION:
                each = (time.monotonic() - began) / count
                population.size = _size(project, (ends - time.monotonic()) / each)
            if count == population.size or last == count:
                population.add(_scored(project, "makespan", by_start(best[0]), best[1], best[0]))
            if _is_tired(project, population, count - last):
                break
        if not population.members:
            return


def _size(project: Compact, schedules: float) -> int:
    """Of a population, for so many schedules in all."""
    largest = SMALLEST_POPULATION + MEMBERS_A_TASK * len(project)
    return round(min(max(schedules / GENERATIONS, SMALLEST_POPULATION), largest))


def _is_tired(project: Compact, population: Population, schedules: int) -> bool:
    return schedules > PATIENCE[0] + PATIENCE[1] * len(project) + PATIENCE[2] * population.size


def _is_best(project: Compact, objective: Objective, member: Member, least_cost: int) -> bool:
    late, first, second = member.score
    if objective == "makespan":
        return not late and first <= project.bound
    return not late and first <= least_cost and second <= project.bound


def _members(project: Compact, objective: Objective, random: Random, population: Population) -> Iterator[Member]:
    """One schedule after another, without end, through an empty population that whoever asks may look into.

    None where the cheapest modes cost more than the budget.
    """
    for member in _first_members(project, objective, random, population):
        population.add(member)
        yield member
    while population.members:
        mother, father = population.parent(random), population.parent(random)
        order, modes = _cross(mother, father, random)
        _swap_neighbours(project, order, random)
        if len(project.several):
            mutate(project, modes, random, random.randrange(4))
        child = _member(project, objective, order, modes, random)
        population.add(child)
        yield child


def _first_members(project: Compact, objective: Objective, random: Random, population: Population) -> Iterator[Member]:
    """Every rule with every first choice of modes, then rules with noise until the population is full."""
    keys = [(modes, priority) for modes in first_modes(project) for priority in priorities(project, modes).values()]
    for modes, priority in keys:
        yield _member(project, objective, ordered(project, priority), list(modes), random)
    made = len(keys)
    while keys and made < population.size:
        made += 1
        modes, priority = random.choice(keys)
        spread = NOISE * (max(priority, default=0) - min(priority, default=0))
        noisy = [value + spread * random.random() for value in priority]
        yield _member(project, objective, ordered(project, noisy), list(modes), random)


def _member(project: Compact, objective: Objective, order: list[int], modes: list[int], random: Random) -> Member:
    repair(project, modes, random)
    starts = justify(project, forward(project, order, modes), modes)
    return _scored(project, objective, by_start(starts), modes, starts)


def _scored(project: Compact, objective: Objective, order: list[int], modes: list[int], starts: list[int]) -> Member:
    durations = project.durations(modes)
    makespan = max((start + duration for start, duration in zip(starts, durations, strict=True)), default=0)
    horizon, cost = project.problem.horizon, project.cost(modes)
    late = 0 if horizon is None else max(0, makespan - horizon)
    score = (late, makespan, cost) if objective == "makespan" else (late, cost, makespan)
    return Member(score, order, modes, starts)


def _cross(mother: Member, father: Member, random: Random) -> tuple[list[int], list[int]]:
    """Head and end of the mother's list, between them the next tasks of the father's; modes from whom the task is."""
    size = len(mother.order)
    low, high = sorted((random.randint(0, size), random.randint(0, size)))
    head = mother.order[:low]
    taken = set(head)
    middle = [task for task in father.order if task not in taken][: high - low]
    taken.update(middle)
    modes = list(mother.modes)
    for task in middle:
        modes[task] = father.modes[task]
    return head + middle + [task for task in mother.order if task not in taken], modes


def _swap_neighbours(project: Compact, order: list[int], random: Random) -> None:
    for place in range(len(order) - 1):
        if random.random() < MUTATION and order[place] not in project.before[order[place + 1]]:
            order[place], order[place + 1] = order[place + 1], order[place]

"""PyJobShop (Lan and Berkhout 2025) as a backend for the makespan: the budget is a resource that is consumed."""

import math

from pyjobshop import Model  # type: ignore[import-untyped]
from pyjobshop.ProblemData import Consumable, Renewable  # type: ignore[import-untyped]
from pyjobshop.ProblemData import Task as ModelTask
from pyjobshop.Solution import ScheduledTask  # type: ignore[import-untyped]
from pyjobshop.Solution import Solution as ModelSolution

from brain.l20.planning.compact import Compact, compact
from brain.l20.planning.problem import Problem, Schedule
from brain.l20.planning.serial import by_start, forward
from brain.l20.planning.solution import Found, Objective


def search(
    problem: Problem, objective: Objective, start: Schedule | None, seconds: float, workers: int, seed: int
) -> Found:
    """The shortest schedule that PyJobShop finds from `start`; `objective` is the makespan."""
    project = compact(problem)
    model, first_mode = _model(project)
    initial = _initial(project, model, first_mode, start) if start else None
    result = model.solve(
        solver="ortools",
        time_limit=seconds,
        display=False,
        num_workers=workers,
        initial_solution=initial,
        random_seed=seed,
    )
    if result.status.value == "Infeasible":
        return Found(None, 0, infeasible=True)
    bound = max(0, math.ceil(result.lower_bound - 1e-6))
    if not result.best.tasks:
        return Found(None, bound)
    starts = [task.start for task in result.best.tasks]
    modes = [task.mode - first for task, first in zip(result.best.tasks, first_mode, strict=True)]
    return Found(project.schedule(forward(project, by_start(starts), modes), modes), bound)


def _model(project: Compact) -> tuple[Model, list[int]]:
    """The model, and the number of each task's first mode in it."""
    model = Model()
    problem = project.problem
    resources = {name: model.add_renewable(capacity, name=name) for name, capacity in problem.capacity.items()}
    money = None if problem.budget is None else model.add_consumable(problem.budget, name="budget")
    latest = {} if problem.horizon is None else {"latest_end": problem.horizon}
    tasks: list[ModelTask] = [model.add_task(name=name, **latest) for name in problem.order]
    first_mode, count = [], 0
    for task, choices in zip(tasks, project.choices, strict=True):
        first_mode.append(count)
        count += len(choices)
        for choice in choices:
            running = choice.mode.demands.items() if choice.duration else ()
            needs: list[tuple[Renewable | Consumable, int]] = [
                (resources[name], units) for name, units in running if units
            ]
            if money is not None and choice.cost:
                needs.append((money, choice.cost))
            model.add_mode(task, [each for each, _ in needs], choice.duration, [units for _, units in needs])
    for number, successors in enumerate(project.after):
        for successor in successors:
            model.add_end_before_start(tasks[number], tasks[successor])
    return model, first_mode


def _initial(project: Compact, model: Model, first_mode: list[int], start: Schedule) -> ModelSolution:
    starts, modes = project.read(start)
    data = model.data()
    planned = []
    for number, (begin, mode) in enumerate(zip(starts, modes, strict=True)):
        place = first_mode[number] + mode
        end = begin + project.choices[number][mode].duration
        planned.append(ScheduledTask(place, list(data.modes[place].resources), begin, end))
    return ModelSolution(data, planned)

"""The model for CP-SAT: an optional interval a mode, a cumulative constraint a resource (Laborie et al. 2018).

Imports OR-Tools; only what solves imports this.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ortools.sat.python import cp_model

from brain.l20.planning.bounds import earliest_starts, latest_starts
from brain.l20.planning.compact import Compact

Window = tuple[int, int]


@dataclass(frozen=True)
class Model:
    """Variables by task: a start, and a presence a mode; None where there is no choice."""

    model: cp_model.CpModel
    starts: list[cp_model.IntVar]
    presences: list[list[cp_model.IntVar] | None]
    makespan: cp_model.IntVar
    cost: cp_model.LinearExpr


def windows(project: Compact, latest_end: int) -> list[Window]:
    """Earliest and latest start of each task if all is to end by `latest_end`, which is no less than the bound."""
    earliest, latest = earliest_starts(project.problem), latest_starts(project.problem, latest_end)
    return [(earliest[name], latest[name]) for name in project.problem.order]


def build(project: Compact, allowed: Sequence[Window], latest_end: int) -> Model:
    """All schedules whose starts are in their windows, that end by `latest_end` and keep the budget.

    With x the presences of a task's modes, d, c and r their durations, costs and demands, s its start: one x is 1;
    s_j >= s_i + sum d x for each i before j; at every moment the r of what runs fit; the sum of c x is in the budget.
    """
    model = cp_model.CpModel()
    starts = [model.new_int_var(low, high, "") for low, high in allowed]
    presences = [_presences(model, len(choices)) for choices in project.choices]
    makespan = model.new_int_var(min(project.bound, latest_end), latest_end, "makespan")
    costs: list[cp_model.LinearExpr] = []
    for task, choices in enumerate(project.choices):
        literals = presences[task]
        end = starts[task] + _weighed(literals, [choice.duration for choice in choices])
        costs.append(_weighed(literals, [choice.cost for choice in choices]))
        for successor in project.after[task]:
            model.add(starts[successor] >= end)
        if not project.after[task]:
            model.add(makespan >= end)
    _add_resources(project, model, starts, presences)
    cost = _sum(costs)
    if project.problem.budget is not None and project.several:
        model.add(cost <= project.problem.budget)
    return Model(model, starts, presences, makespan, cost)


def add_hint(built: Model, starts: Sequence[int], modes: Sequence[int]) -> None:
    """Begin the search near a schedule."""
    for variable, start in zip(built.starts, starts, strict=True):
        built.model.add_hint(variable, start)
    for literals, mode in zip(built.presences, modes, strict=True):
        for place, literal in enumerate(literals or ()):
            built.model.add_hint(literal, place == mode)


def read(built: Model, solver: cp_model.CpSolver | cp_model.CpSolverSolutionCallback) -> tuple[list[int], list[int]]:
    """Starts and modes of the solution."""
    starts = [solver.value(variable) for variable in built.starts]
    modes = [
        next(place for place, literal in enumerate(literals) if solver.boolean_value(literal)) if literals else 0
        for literals in built.presences
    ]
    return starts, modes


def _presences(model: cp_model.CpModel, count: int) -> list[cp_model.IntVar] | None:
    if count == 1:
        return None
    literals = [model.new_bool_var("") for _ in range(count)]
    model.add_exactly_one(literals)
    return literals


def _weighed(literals: list[cp_model.IntVar] | None, weights: list[int]) -> cp_model.LinearExpr:
    if literals is None:
        return cp_model.LinearExpr.constant(weights[0])
    return _sum([literal * weight for literal, weight in zip(literals, weights, strict=True)])


def _sum(terms: list[cp_model.LinearExpr]) -> cp_model.LinearExpr:
    return sum(terms, start=cp_model.LinearExpr.constant(0))


def _add_resources(
    project: Compact,
    model: cp_model.CpModel,
    starts: list[cp_model.IntVar],
    presences: list[list[cp_model.IntVar] | None],
) -> None:
    running: dict[str, list[tuple[cp_model.IntervalVar, int]]] = {name: [] for name in project.problem.capacity}
    for start, literals, choices in zip(starts, presences, project.choices, strict=True):
        for place, choice in enumerate(choices):
            if not choice.packed:
                continue
            present = literals[place] if literals else True
            interval = model.new_optional_fixed_size_interval_var(start, choice.duration, present, "")
            for name, units in choice.mode.demands.items():
                if units:
                    running[name].append((interval, units))
    for name, pairs in running.items():
        capacity = project.problem.capacity[name]
        if sum(units for _, units in pairs) > capacity:
            model.add_cumulative([each for each, _ in pairs], [units for _, units in pairs], capacity)

"""Replicas by CP-SAT: one variable for each service and number of replicas, worth what that number serves.

Maximise the sum of weight * served(service, n) over chosen (service, n), each service with one n from its least to its
most, under the sum of needs * n within the capacity. What a number of replicas serves is not concave under a latency
target, which is why the numbers are chosen from a table rather than bought one after another. Of the allocations that
are worth most, the one is taken that occupies least and, of those, the one that is nearest to what is now.
"""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from brain.l20.resources.greedy import greedy
from brain.l20.resources.problem import RESOURCES, Allocation, Problem, Replicas, Service, collisions
from brain.l20.resources.queueing import served

if TYPE_CHECKING:
    from ortools.sat.python import cp_model

UNITS = 1_000_000_000
"""The most that all services together can be worth, as an integer of the solver."""

NOTHING = 1e-9
"""Less than this is worth nothing, and nothing is divided by it."""

SHARES = 10_000
AMOUNTS = 1_000_000
"""Of a resource: millionths."""

Table = Mapping[str, Sequence[float]]
"""By service: requests a second that least, least + 1, … most replicas serve."""


def table(problem: Problem) -> Table:
    """What each number of replicas serves; beyond the number that serves everything nothing is added."""
    return {one.name: _row(one, problem.most_utilisation) for one in problem.services}


def solve(problem: Problem, rows: Table, seconds: float, seed: int = 0) -> Allocation:
    """The best allocation within some seconds.

    Args:
        problem: What there is and what is wanted.
        rows: As `table` gives them.
        seconds: For the search; the tie-break may take as long again.
        seed: Of the search.
    """
    begun = time.monotonic()
    if collisions(problem):
        return Allocation("infeasible", None, None, None, time.monotonic() - begun)
    scale = _scale(problem, rows)
    model = _Model(problem, rows, scale)
    start = greedy(problem, rows)
    first, best, limit = model.most_worth(start, seconds, seed)
    if first == "optimal" and best is not None:
        chosen = model.least_change(best, seconds, seed) or best
        value = worth(problem, rows, chosen)
        return Allocation("optimal", chosen, value, value, time.monotonic() - begun)
    chosen = max([start] if best is None else [start, best], key=lambda one: worth(problem, rows, one))
    value = worth(problem, rows, chosen)
    # Without an answer the solver has no bound either; then everything that the capacity alone allows is one.
    most = math.fsum(one.weight * max(rows[one.name]) for one in problem.services)
    bound = max(value, most if best is None else min(most, limit / scale))
    return Allocation("feasible", chosen, value, bound, time.monotonic() - begun)


def gains(problem: Problem, rows: Table, value: float, seconds: float) -> Mapping[str, float | None]:
    """What one more unit of each resource is worth by solving anew; None where that is not known in time."""
    found: dict[str, float | None] = {}
    for resource in RESOURCES:
        more = {**problem.capacity, resource: problem.capacity.get(resource, 0.0) + 1}
        again = solve(replace(problem, capacity=more), rows, seconds)
        found[resource] = max(0.0, again.value - value) if again.status == "optimal" and again.value else None
    return found


def worth(problem: Problem, rows: Table, replicas: Replicas) -> float:
    """Weighted requests a second."""
    return math.fsum(one.weight * rows[one.name][replicas[one.name] - one.least] for one in problem.services)


def _row(one: Service, most_utilisation: float) -> Sequence[float]:
    row: list[float] = []
    for number in range(one.least, one.most + 1):
        if row and row[-1] >= one.arrival_per_second:
            row.append(one.arrival_per_second)
        else:
            found = served(
                number,
                one.arrival_per_second,
                one.service_seconds,
                one.target_seconds,
                one.quantile,
                most_utilisation,
            )
            row.append(found)
    return row


def _worth_having(one: Service, row: Sequence[float]) -> Sequence[int]:
    """Numbers of replicas that serve more than one less: any other occupies more for nothing."""
    return [one.least, *(one.least + at for at in range(1, len(row)) if row[at] > row[at - 1])]


def _scale(problem: Problem, rows: Table) -> float:
    most = math.fsum(one.weight * max(rows[one.name]) for one in problem.services)
    return UNITS / most if most > NOTHING else 1.0


class _Model:
    """The model, solved twice: for the worth, and then among equals for what occupies and changes least."""

    def __init__(self, problem: Problem, rows: Table, scale: float) -> None:
        from ortools.sat.python import cp_model

        self._problem = problem
        self._model = model = cp_model.CpModel()
        self._choice: dict[tuple[str, int], cp_model.IntVar] = {}
        for one in problem.services:
            numbers = _worth_having(one, rows[one.name])
            choices = [model.new_bool_var(f"{one.name}={number}") for number in numbers]
            self._choice.update({(one.name, number): var for number, var in zip(numbers, choices, strict=True)})
            model.add_exactly_one(choices)
        for resource in RESOURCES:
            # Needs are rounded up and capacities down: what the solver finds fits in truth.
            have = math.floor(problem.capacity.get(resource, 0.0) * AMOUNTS + 1e-6)
            needs = {one.name: math.ceil(one.needs.get(resource, 0.0) * AMOUNTS - 1e-6) for one in problem.services}
            if any(needs.values()):
                model.add(self._sum(lambda name, number, n=needs: n[name] * number) <= have)  # type: ignore[misc]
        worths = {
            (one.name, number): round(one.weight * rows[one.name][number - one.least] * scale)
            for one in problem.services
            for number in _worth_having(one, rows[one.name])
        }
        self._worth = self._sum(lambda name, number: worths[name, number])

    def most_worth(self, start: Replicas, seconds: float, seed: int) -> tuple[str, Replicas | None, float]:
        """Status, replicas and bound in units."""
        self._hint(start)
        self._model.maximize(self._worth)
        solver = self._solver(seconds, seed)
        status = solver.status_name(solver.solve(self._model)).lower()
        found = self._found(solver) if status in ("optimal", "feasible") else None
        if found is not None:
            self._best = round(solver.objective_value)
        return status, found, solver.best_objective_bound

    def least_change(self, hint: Replicas, seconds: float, seed: int) -> Replicas | None:
        """Among allocations of the same worth."""
        self._model.add(self._worth >= self._best)
        services = {one.name: one for one in self._problem.services}
        capacity = self._problem.capacity

        def cost(name: str, number: int) -> int:
            one = services[name]
            shares = [need / capacity[r] for r, need in one.needs.items() if need and capacity.get(r)]
            away = abs(number - (one.least if one.current is None else one.current))
            return round(SHARES * 1000 * sum(shares) * number) + min(away, 999)

        self._hint(hint)
        self._model.minimize(self._sum(cost))
        solver = self._solver(seconds, seed)
        status = solver.status_name(solver.solve(self._model)).lower()
        return self._found(solver) if status in ("optimal", "feasible") else None

    def _hint(self, replicas: Replicas) -> None:
        self._model.clear_hints()  # type: ignore[no-untyped-call]
        for (name, number), var in self._choice.items():
            self._model.add_hint(var, replicas[name] == number)

    def _sum(self, amount: Callable[[str, int], int]) -> "cp_model.LinearExprT":
        from ortools.sat.python import cp_model

        pairs = list(self._choice.items())
        return cp_model.LinearExpr.weighted_sum([var for _, var in pairs], [amount(*key) for key, _ in pairs])

    def _found(self, solver: "cp_model.CpSolver") -> Replicas:
        return {name: number for (name, number), var in self._choice.items() if solver.boolean_value(var)}

    def _solver(self, seconds: float, seed: int) -> "cp_model.CpSolver":
        from ortools.sat.python import cp_model

        solver = cp_model.CpSolver()
        solver.parameters.max_time_in_seconds = seconds
        solver.parameters.num_workers = 1
        solver.parameters.random_seed = seed
        solver.parameters.cp_model_presolve = False  # it takes seconds of the largest models, and finds nothing
        return solver

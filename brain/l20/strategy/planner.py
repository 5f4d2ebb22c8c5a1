"""An order becomes a plan: solve, check, explain where there is none, simulate. For the worker alone."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from brain.l20.planning.problem import Problem, ProblemError, Schedule
from brain.l20.planning.simulate import simulate
from brain.l20.planning.solution import Solution
from brain.l20.planning.solve import solve
from brain.l20.strategy.answer import planned, unplanned
from brain.l20.strategy.build import Learned, Project, build
from brain.l20.strategy.collisions import explained
from brain.l20.strategy.order import Order, Warned
from brain.l20.strategy.schedule_view import Solved

MAKESPAN_SHARE = 0.7
"""Of the time; the rest looks for the cheapest plan that is no longer."""
LEAST_EXPLAINING_SECONDS = 2.0
LAST_RESORT_SECONDS = 1.0

Step = Callable[[str], None]
"""Told what is being done now; raises to stop."""


@dataclass(frozen=True)
class Planner:
    """Makes plans.

    Attributes:
        learned: Measured durations of capabilities.
        workers: Threads of the solver.
    """

    learned: Learned
    workers: int = 2

    def plan(self, order: Order, step: Step = lambda _name: None) -> dict[str, object]:
        """The result of a run of kind `plan`, as docs/architecture/runs.md names its members."""
        step("building")
        project = build(order, self.learned)
        began = time.monotonic()
        try:
            problem = project.problem()
        except ProblemError:
            return self._without(project, None, step)
        step("solving")
        solution, warnings = self._solve(problem, order)
        if solution.schedule is None:
            return self._without(project, solution, step)
        if order.objective_function == "makespan" and order.solver_seconds:
            step("looking for a cheaper plan of the same length")
            solution = self._cheaper(problem, order, solution)
        seconds = time.monotonic() - began
        step("simulating")
        schedule: Schedule | None = solution.schedule
        if schedule is None:
            raise AssertionError("unreachable: a schedule is only ever replaced by another")
        uncertain = {name: project.uncertain(name, slot.mode) for name, slot in schedule.slots.items()}
        outcomes = simulate(problem, schedule, uncertain, seed=order.seed)
        return planned(Solved(project, problem, solution, schedule, seconds), outcomes, warnings)

    def _solve(self, problem: Problem, order: Order) -> tuple[Solution, tuple[Warned, ...]]:
        share = MAKESPAN_SHARE if order.objective_function == "makespan" else 1.0
        seconds = order.solver_seconds * share
        solution = solve(problem, order.objective_function, seconds, self.workers, order.seed)
        if solution.schedule or solution.status == "infeasible" or order.solver_seconds:
            return solution, ()
        detail = (
            f"the heuristic found no plan within the limits; the solver looked for one for {LAST_RESORT_SECONDS:g} s"
        )
        solution = solve(problem, order.objective_function, LAST_RESORT_SECONDS, self.workers, order.seed)
        return solution, (Warned(code="solver_was_asked", detail=detail),)

    def _cheaper(self, problem: Problem, order: Order, solution: Solution) -> Solution:
        """The cheapest schedule that is found with the same makespan; the proof about the makespan stays."""
        best = solution.schedule
        if best is None:
            return solution
        tight = replace(problem, horizon=best.makespan)
        seconds = order.solver_seconds * (1 - MAKESPAN_SHARE)
        found = solve(tight, "cost", seconds, self.workers, order.seed).schedule
        if found is None or found.cost(problem) >= best.cost(problem):
            return solution
        return replace(solution, schedule=found, value=found.makespan)

    def _without(self, project: Project, solution: Solution | None, step: Step) -> dict[str, object]:
        step("finding out what collides")
        seconds = max(LEAST_EXPLAINING_SECONDS, project.order.solver_seconds)
        proven, document = explained(project, seconds, self.workers)
        return unplanned(project, solution, proven, document)

"""The result of a plan, as docs/architecture/runs.md names its members."""

from collections.abc import Mapping
from dataclasses import asdict, replace

from brain.l20.planning.gantt import gantt
from brain.l20.planning.problem import Problem, Schedule
from brain.l20.planning.profile import critical_path
from brain.l20.planning.simulate import DRAWS, SHARED_CORRELATION, Outcomes, quantiles
from brain.l20.planning.solution import Solution
from brain.l20.strategy.build import Project
from brain.l20.strategy.order import Order, Warned
from brain.l20.strategy.schedule_view import Document, Solved, calendar_of, moment_text, resources_of, tasks_of

DURATIONS = (
    "log-normal with mean (low + 4 likely + high) / 6 and standard deviation (high - low) / 6, or fitted to what was "
    "measured; each task has the hours of its quantile, rounded up"
)


LEAST_PROBABILITY = 0.8
"""Of keeping a limit; below it the answer warns."""


def planned(solved: Solved, outcomes: Outcomes, warnings: tuple[Warned, ...]) -> Document:
    """The result where there is a schedule."""
    order, schedule, solution = solved.project.order, solved.schedule, solved.solution
    path = critical_path(solved.problem, schedule)
    calendar = calendar_of(order)
    return {
        **_asked(solved.project),
        "status": solution.status,
        "value": solution.value,
        "lower_bound": solution.lower_bound,
        "gap": solution.gap,
        "solver": solution.solver,
        "solver_seconds": round(solved.seconds, 3),
        "makespan_hours": schedule.makespan,
        "ends_at": moment_text(calendar.moment(order.starts_at, schedule.makespan, ending=True)),
        "cost_minor": schedule.cost(solved.problem),
        "tasks": tasks_of(solved, outcomes, set(path)),
        "critical_path": list(path),
        "resources": resources_of(solved),
        "risk": _risk(order, outcomes),
        "infeasible": None,
        "executed": None,
        "warnings": [each.model_dump() for each in (*order.warnings, *warnings, *_doubts(solved, outcomes))],
        "gantt_svg": gantt(*_titled(solved)),
    }


def unplanned(project: Project, solution: Solution | None, proven: bool | None, collisions: Document) -> Document:
    """The result where there is no schedule, or none was found."""
    return {
        **_asked(project),
        "status": "infeasible" if proven else "unknown",
        "value": None,
        "lower_bound": solution.lower_bound if solution else None,
        "gap": None,
        "solver": solution.solver if solution else "bounds",
        "solver_seconds": round(solution.seconds, 3) if solution else 0.0,
        "makespan_hours": None,
        "ends_at": None,
        "cost_minor": None,
        "tasks": [],
        "critical_path": [],
        "resources": [],
        "risk": None,
        "infeasible": collisions,
        "executed": None,
        "warnings": [each.model_dump() for each in project.order.warnings],
        "gantt_svg": None,
    }


def _asked(project: Project) -> Document:
    order = project.order
    return {
        "objective": order.objective,
        "starts_at": moment_text(order.starts_at),
        "calendar": {"hours_per_day": order.hours_per_day, "days_per_week": order.days_per_week, "timezone": "UTC"},
        "playbooks": [each.model_dump(mode="json") for each in order.playbooks],
        "objective_function": order.objective_function,
        "currency": order.outline.currency,
        "quantile": order.quantile,
        "durations": DURATIONS,
        "constraints": {
            "budget_minor": order.budget_minor,
            "timeline": order.timeline,
            "timeline_hours": order.timeline_hours,
            "resources": dict(project.capacities),
        },
        "risks": [risk.model_dump() for risk in order.outline.risks],
    }


def _risk(order: Order, outcomes: Outcomes) -> Document:
    hours, budget = order.timeline_hours, order.budget_minor
    return {
        "draws": DRAWS,
        "seed": order.seed,
        "shared_correlation": SHARED_CORRELATION,
        "confidence": 0.95,
        "on_time": None if hours is None else asdict(outcomes.on_time(hours)),
        "within_budget": None if budget is None else asdict(outcomes.within(budget)),
        "makespan_hours": quantiles(outcomes.makespans, 1),
        "cost_minor": quantiles(outcomes.costs, 0),
    }


def _doubts(solved: Solved, outcomes: Outcomes) -> list[Warned]:
    order = solved.project.order
    found = []
    if order.timeline_hours is not None and outcomes.on_time(order.timeline_hours).probability < LEAST_PROBABILITY:
        detail = "it holds in fewer than four of five draws; allow more time or raise the quantile"
        found.append(Warned(code="timeline_at_risk", detail=detail))
    if order.budget_minor is not None and outcomes.within(order.budget_minor).probability < LEAST_PROBABILITY:
        other = "ask for objective_function 'cost', " if order.objective_function == "makespan" else ""
        detail = f"it holds in fewer than four of five draws; {other}raise the budget or the quantile"
        found.append(Warned(code="budget_at_risk", detail=detail))
    return found


def _titled(solved: Solved) -> tuple[Problem, Schedule]:
    """The same with titles in place of ids, for the chart."""
    titles = _titles(solved.project.order)
    tasks = (
        replace(task, id=titles[task.id], after=tuple(titles[each] for each in task.after))
        for task in solved.problem.tasks
    )
    slots = {titles[name]: replace(slot, task=titles[name]) for name, slot in solved.schedule.slots.items()}
    return replace(solved.problem, tasks=tuple(tasks)), Schedule(slots)


def _titles(order: Order) -> Mapping[str, str]:
    titles = [task.title for task in order.outline.tasks]
    return {
        task.id: task.title if titles.count(task.title) == 1 else f"{task.title} ({task.id})"
        for task in order.outline.tasks
    }

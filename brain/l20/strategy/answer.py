"""The result of a plan, as docs/architecture/runs.md names its members."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from brain.l20.planning.gantt import gantt
from brain.l20.planning.problem import Problem, Schedule
from brain.l20.planning.profile import critical_path, resource_profile
from brain.l20.planning.simulate import DRAWS, SHARED_CORRELATION, Outcomes, quantiles
from brain.l20.planning.solution import Solution
from brain.l20.strategy.build import Project
from brain.l20.strategy.calendar import Calendar
from brain.l20.strategy.order import Order, Warned
from brain.l20.strategy.outline import OutlineTask

Document = dict[str, object]
DURATIONS = (
    "log-normal with mean (low + 4 likely + high) / 6 and standard deviation (high - low) / 6, or fitted to what was "
    "measured; each task has the hours of its quantile, rounded up"
)


LEAST_PROBABILITY = 0.8
"""Of keeping a limit; below it the answer warns."""


@dataclass(frozen=True)
class Solved:
    """What a plan is told from; `seconds` is the wall time of solving."""

    project: Project
    problem: Problem
    solution: Solution
    schedule: Schedule
    seconds: float


def planned(solved: Solved, outcomes: Outcomes, warnings: tuple[Warned, ...]) -> Document:
    """The result where there is a schedule."""
    order, schedule, solution = solved.project.order, solved.schedule, solved.solution
    path = critical_path(solved.problem, schedule)
    calendar = _calendar(order)
    return {
        **_asked(solved.project),
        "status": solution.status,
        "value": solution.value,
        "lower_bound": solution.lower_bound,
        "gap": solution.gap,
        "solver": solution.solver,
        "solver_seconds": round(solved.seconds, 3),
        "makespan_hours": schedule.makespan,
        "ends_at": _moment(calendar.moment(order.starts_at, schedule.makespan, ending=True)),
        "cost_minor": schedule.cost(solved.problem),
        "tasks": _tasks(solved, outcomes, set(path)),
        "critical_path": list(path),
        "resources": _resources(solved),
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
        "starts_at": _moment(order.starts_at),
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


def _tasks(solved: Solved, outcomes: Outcomes, critical: set[str]) -> list[Document]:
    by_start = sorted(solved.schedule.slots.values(), key=lambda slot: (slot.start, slot.end))
    outline = {task.id: task for task in solved.project.order.outline.tasks}
    return [_task(solved, outline[slot.task], outcomes, critical) for slot in by_start]


def _task(solved: Solved, task: OutlineTask, outcomes: Outcomes, critical: set[str]) -> Document:
    order, slot = solved.project.order, solved.schedule.slots[task.id]
    calendar = _calendar(order)
    mode = next(each for each in task.modes if each.name == slot.mode)
    costed = solved.project.costed[task.id, slot.mode]
    return {
        "id": task.id,
        "title": task.title,
        "description": task.description,
        "playbook": task.playbook,
        "mode": slot.mode,
        "start_hours": slot.start,
        "end_hours": slot.end,
        "start_at": _moment(calendar.moment(order.starts_at, slot.start, ending=slot.end == slot.start)),
        "end_at": _moment(calendar.moment(order.starts_at, slot.end, ending=True)),
        "hours": mode.hours.model_dump(),
        "hours_source": costed.duration.source,
        "cost_minor": costed.cost(order.quantile),
        "resources": {name: units for name, units in mode.needs.items() if units},
        "after": list(task.after),
        "critical": task.id in critical,
        "criticality": outcomes.criticality[task.id],
        "capability": task.capability,
        "params": dict(task.params),
        "executable": task.capability in order.executable,
        "modes": [_mode(solved.project, task.id, each.name) for each in task.modes],
    }


def _mode(project: Project, task: str, mode: str) -> Document:
    costed, quantile = project.costed[task, mode], project.order.quantile
    return {"name": mode, "hours": costed.hours(quantile), "cost_minor": costed.cost(quantile)}


def _resources(solved: Solved) -> list[Document]:
    order, makespan = solved.project.order, solved.schedule.makespan
    found: list[Document] = []
    for resource in solved.problem.resources:
        steps = resource_profile(solved.problem, solved.schedule, resource.name)
        work = sum(step.used * (step.end - step.start) for step in steps)
        available = resource.capacity * makespan
        found.append(
            {
                "name": resource.name,
                "capacity": resource.capacity,
                "given_by": "request" if resource.name in order.capacities else "playbook",
                "unit": order.outline.means[resource.name].unit,
                "peak": max((step.used for step in steps), default=0),
                "utilisation": round(work / available, 4) if available else 0.0,
                "profile": [{"start_hours": s.start, "end_hours": s.end, "used": s.used} for s in steps],
            }
        )
    return found


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


def _calendar(order: Order) -> Calendar:
    return Calendar(order.hours_per_day, order.days_per_week)


def _moment(value: datetime) -> str:
    return value.isoformat().replace("+00:00", "Z")

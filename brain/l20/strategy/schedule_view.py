"""Tasks and resources of a plan as its result shows them."""

from dataclasses import dataclass
from datetime import datetime

from brain.l20.planning.problem import Problem, Schedule
from brain.l20.planning.profile import resource_profile
from brain.l20.planning.simulate import Outcomes
from brain.l20.planning.solution import Solution
from brain.l20.strategy.build import Project
from brain.l20.strategy.calendar import Calendar
from brain.l20.strategy.order import Order
from brain.l20.strategy.outline import OutlineTask

Document = dict[str, object]


@dataclass(frozen=True)
class Solved:
    """What a plan is told from; `seconds` is the wall time of solving."""

    project: Project
    problem: Problem
    solution: Solution
    schedule: Schedule
    seconds: float


def tasks_of(solved: Solved, outcomes: Outcomes, critical: set[str]) -> list[Document]:
    """Every task with its time, mode and price, by start."""
    by_start = sorted(solved.schedule.slots.values(), key=lambda slot: (slot.start, slot.end))
    outline = {task.id: task for task in solved.project.order.outline.tasks}
    return [_task(solved, outline[slot.task], outcomes, critical) for slot in by_start]


def _task(solved: Solved, task: OutlineTask, outcomes: Outcomes, critical: set[str]) -> Document:
    order, slot = solved.project.order, solved.schedule.slots[task.id]
    calendar = calendar_of(order)
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
        "start_at": moment_text(calendar.moment(order.starts_at, slot.start, ending=slot.end == slot.start)),
        "end_at": moment_text(calendar.moment(order.starts_at, slot.end, ending=True)),
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


def resources_of(solved: Solved) -> list[Document]:
    """Every resource that some mode needs, with its use over time."""
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


def calendar_of(order: Order) -> Calendar:
    """When work is done."""
    return Calendar(order.hours_per_day, order.days_per_week)


def moment_text(value: datetime) -> str:
    """ISO 8601 in UTC."""
    return value.isoformat().replace("+00:00", "Z")

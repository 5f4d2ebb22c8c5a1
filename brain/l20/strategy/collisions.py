"""Why there is no plan and what would make one, in the units of who asked."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta

from brain.l20.planning.infeasible import Change, Diagnosis, Limit, diagnose
from brain.l20.planning.problem import Problem, ProblemError
from brain.l20.planning.solution import Objective
from brain.l20.planning.solve import solve
from brain.l20.strategy.build import Project
from brain.l20.strategy.calendar import Calendar

Document = dict[str, object]
Lacking = list[Mapping[str, int]]
"""By mode of a task that fits nowhere: the units that it needs of resources that are too small for it."""


def explained(project: Project, seconds: float, workers: int) -> tuple[bool | None, Document]:
    """Whether it is proven that there is no plan, and the answer's `infeasible`."""
    try:
        problem = project.problem()
    except ProblemError:
        return True, _too_small(project, seconds, workers)
    found = diagnose(problem, seconds=seconds, workers=workers, seed=project.order.seed)
    changes = tuple(_surer(problem, change, seconds / 2, workers, project.order.seed) for change in found.changes)
    return found.infeasible, _document(project, replace(found, changes=changes))


def _surer(problem: Problem, change: Change, seconds: float, workers: int, seed: int) -> Change:
    """The diagnosis has many questions and little time for each; budget and timeline are worth more of it."""
    if change.proven or change.limit.kind == "resource":
        return change
    without = replace(problem, horizon=None) if change.limit.kind == "horizon" else replace(problem, budget=None)
    objective: Objective = "makespan" if change.limit.kind == "horizon" else "cost"
    found = solve(without, objective, seconds=seconds, workers=workers, seed=seed)
    if found.value is None or (change.needed is not None and found.value > change.needed):
        return change
    return replace(change, needed=found.value, proven=found.status == "optimal", schedule=found.schedule)


def _document(project: Project, found: Diagnosis) -> Document:
    names = [_name(limit) for limit in found.conflict]
    return {"collisions": names, "minimal": found.minimal, **_changes(project, found.changes)}


def _changes(project: Project, found: Iterable[Change]) -> Document:
    """What each limit alone would have to be, and those that cannot help alone or of which it is not known."""
    changes = [_change(project, change) for change in found]
    without = [change for change in changes if change["to"] is None]
    return {
        "changes": [change for change in changes if change["to"] is not None],
        "of_no_help": [change["constraint"] for change in without if change["proven"]],
        "undecided": [change["constraint"] for change in without if not change["proven"]],
    }


def _name(limit: Limit) -> str:
    return {"horizon": "timeline", "budget": "budget"}.get(limit.kind, f"resources.{limit.name}")


def _change(project: Project, change: Change) -> Document:
    """From, to and words: a budget in whole currency, a timeline in days by the calendar, a resource in units."""
    order, now, needed = project.order, change.now, change.needed
    document: Document = {"constraint": _name(change.limit), "proven": change.proven}
    if needed is None:
        return {**document, "from": now, "to": None, "text": f"no {_name(change.limit)} is enough by itself"}
    least = "" if change.proven else " (less was not ruled out)"
    if change.limit.kind == "budget":
        to = -(-needed // 100)
        text = f"raise the budget from {_money(now)} to {to:,} {order.outline.currency}{least}"
        return {**document, "from": now / 100, "to": to, "to_minor": needed, "text": text}
    if change.limit.kind == "horizon":
        to = _days(project, needed)
        text = f"allow {to} days instead of {order.timeline}: {needed} hours of work instead of {now}{least}"
        return {**document, "from": order.timeline, "to": f"{to} days", "hours": needed, "text": text}
    text = f"have {needed} of {change.limit.name} instead of {now}{least}"
    return {**document, "from": now, "to": needed, "text": text}


def _money(minor: int) -> str:
    return f"{minor / 100:,.2f}".removesuffix(".00")


def _days(project: Project, hours: int) -> int:
    """The fewest days by the calendar that hold so many hours of work."""
    order = project.order
    ends = Calendar(order.hours_per_day, order.days_per_week).moment(order.starts_at, hours, ending=True)
    return math.ceil((ends - order.starts_at) / timedelta(days=1))


def _too_small(project: Project, seconds: float, workers: int) -> Document:
    """Some task fits no capacity: which resources are too small for it, and which of them alone could be raised."""
    lacking = list(_lacking(project))
    names = sorted({name for modes in lacking for lacks in modes for name in lacks})
    share = seconds / max(1, len(names))
    raised = [_raised(project, lacking, name, share, workers) for name in names]
    collisions = [f"resources.{name}" for name in names]
    return {"collisions": collisions, "minimal": len(names) == 1, **_changes(project, raised)}


def _lacking(project: Project) -> Iterator[Lacking]:
    for task in project.order.outline.tasks:
        modes: Lacking = [
            {name: units for name, units in mode.needs.items() if units > project.capacities[name]}
            for mode in task.modes
        ]
        if all(modes):
            yield modes


def _raised(project: Project, lacking: list[Lacking], name: str, seconds: float, workers: int) -> Change:
    """The capacity that lets every task fit, raised further where budget or timeline ask for it."""
    limit, now = Limit("resource", name), project.capacities[name]
    alone = [[lacks[name] for lacks in modes if set(lacks) == {name}] for modes in lacking]
    if not all(alone):
        return Change(limit, now, None, True, None)
    least = max(min(units) for units in alone)
    problem: Problem = project.problem(**{name: least})
    solution = solve(problem, seconds=seconds / 2, workers=workers, seed=project.order.seed)
    if solution.schedule:
        return Change(limit, now, least, True, solution.schedule)
    further = diagnose(problem, seconds=seconds / 2, workers=workers, seed=project.order.seed)
    found = next(change for change in further.changes if change.limit == limit)
    return Change(limit, now, found.needed, found.proven, found.schedule)

"""From a request to ranked work: what is not said comes from what is known of the type."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from brain.capabilities.port import Capability
from brain.l20.analytics.durations import LearnedDuration
from brain.l20.priority.order import CycleError
from brain.l20.priority.request import Asked, WorkTask, refused
from brain.l20.priority.score import Scored, score
from brain.l20.priority.settings import PrioritySettings
from brain.l20.priority.work import Known, Work
from brain.runs.port import PRIORITIES
from runtime.problems import FieldError, Problem

KnownOf = Callable[[str], Known]
"""What is known of a type; raises LookupError, with words for the caller, where the type itself is not."""

MOST_SHOWN = 20


@dataclass(frozen=True)
class Ranking:
    """Ranked work with what it was made of."""

    asked: Asked
    work: Work
    scored: Scored
    known: Mapping[str, Known]


def known_of(capability: Capability, learned: LearnedDuration | None = None) -> Known:
    """What the registry, and the durations of the past where there are enough, say of a type.

    Args:
        capability: The type.
        learned: What calls took; None: too few have ended.
    """
    estimate = capability.estimate({}) if capability.served else None
    if learned is not None:
        cost = None if estimate is None else estimate.cost_minor
        return Known(learned.median_seconds, "learned", cost, capability.resources)
    if estimate is None:
        return Known(None, "unknown", None, capability.resources)
    return Known(estimate.seconds, "estimate", estimate.cost_minor, capability.resources)


def rank(asked: Asked, known_of_type: KnownOf, settings: PrioritySettings, now: float) -> Ranking:
    """Rank a request's work.

    Raises:
        Problem: 422 for types that nobody knows and for tasks that wait for one another.
    """
    known = _known(asked.tasks, known_of_type)
    work = _work(asked, known)
    try:
        weights = asked.options.weights.over(settings.weights)
    except ValueError as error:
        raise refused("/weights", "all weights are 0; at least one factor must count") from error
    try:
        scored = score(work, weights, settings, now, cast("Mapping[str, float] | None", asked.options.capacity))
    except CycleError as error:
        raise _cycle(asked.tasks, error.cycle) from error
    return Ranking(asked, work, scored, known)


def _known(tasks: Sequence[WorkTask], known_of_type: KnownOf) -> Mapping[str, Known]:
    first: dict[str, int] = {}
    for place, task in enumerate(tasks):
        first.setdefault(task["type"], place)
    known: dict[str, Known] = {}
    errors: list[FieldError] = []
    for name, place in first.items():
        try:
            known[name] = known_of_type(name)
        except LookupError as error:
            errors.append(FieldError(f"/tasks/{place}/type", str(error)))
            if len(errors) == MOST_SHOWN:
                break
    if errors:
        raise Problem(422, detail="; ".join(f"{one.pointer}: {one.detail}" for one in errors[:3]), errors=errors)
    return known


def _work(asked: Asked, known: Mapping[str, Known]) -> Work:
    tasks = asked.tasks
    classes = {name: place for place, name in enumerate(PRIORITIES)}
    deadlines = [task.get("deadline") for task in tasks]
    created = [task.get("created_at") for task in tasks]
    types = [known[task["type"]] for task in tasks]
    return Work(
        classes=[classes[task.get("priority", "normal")] for task in tasks],
        deadlines=[None if at is None else at.timestamp() for at in deadlines],
        values=[task.get("value") for task in tasks],
        costs=[task.get("cost_minor", known.cost_minor) for task, known in zip(tasks, types, strict=True)],
        seconds=[task.get("duration_seconds", known.seconds) for task, known in zip(tasks, types, strict=True)],
        created=[None if at is None else at.timestamp() for at in created],
        resources=[
            cast("Mapping[str, float]", task.get("resources", known.resources))
            for task, known in zip(tasks, types, strict=True)
        ],
        after=asked.after,
    )


def _cycle(tasks: Sequence[WorkTask], places: Sequence[int]) -> Problem:
    names = [tasks[place]["id"] for place in places]
    shown = [*names[:MOST_SHOWN], "…"] if len(names) > MOST_SHOWN else [*names, names[0]]
    detail = f"tasks wait for one another: {' -> '.join(map(repr, shown))} (each depends on the next); break the cycle"
    return refused(f"/tasks/{places[0]}/depends_on", detail, cycle=names)

"""Playbooks put together: one list of tasks, one set of means."""

from collections import Counter
from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ConfigDict, JsonValue

from brain.l20.strategy.library import Library, PlaybookError
from brain.l20.strategy.playbook import Means, Playbook, PlaybookMode, PlaybookTask, Risk, circle


class OutlineTask(BaseModel):
    """A task whose `after` names tasks of the same outline, whatever playbook they come from."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    id: str
    title: str
    description: str
    playbook: str
    modes: tuple[PlaybookMode, ...]
    after: tuple[str, ...]
    capability: str | None
    params: Mapping[str, JsonValue]


class Outline(BaseModel):
    """What is to be planned; kept with the run, so that a playbook that changes meanwhile changes no plan."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    tasks: tuple[OutlineTask, ...]
    means: Mapping[str, Means]
    risks: tuple[Risk, ...]
    currency: str


def with_uses(chosen: Iterable[Playbook], library: Library) -> tuple[Playbook, ...]:
    """The chosen playbooks and those that they always bring along, each once."""
    found: dict[str, Playbook] = {}
    waiting = list(chosen)
    while waiting:
        playbook = waiting.pop(0)
        if playbook.name not in found:
            found[playbook.name] = playbook
            waiting += [library[name] for name in playbook.uses]
    return tuple(found.values())


def compose(playbooks: tuple[Playbook, ...]) -> Outline:
    """One outline of several playbooks.

    A task keeps its id where no other has it, otherwise its playbook's name stands before it. Of means that several
    playbooks name there is the largest capacity, at the first one's rate: the people are the same people.

    Raises:
        PlaybookError: They are priced in several currencies, or their links form a circle.
    """
    currencies = sorted({playbook.currency for playbook in playbooks})
    if len(currencies) != 1:
        raise PlaybookError(f"expected playbooks of one currency, got {currencies}")
    places = {f"{playbook.name}.{task.id}": (playbook, task) for playbook in playbooks for task in playbook.tasks}
    kept = {place: pair for place, pair in places.items() if pair[1].replaced_by not in places}
    ids = _ids(kept.values())
    tasks = tuple(_task(playbook, task, places, ids) for playbook, task in kept.values())
    found = circle({task.id: task.after for task in tasks})
    if found:
        raise PlaybookError(f"linked together, tasks wait for one another in a circle: {found}")
    risks = {risk.title: risk for playbook in playbooks for risk in playbook.risks}
    by_weight = sorted(risks.values(), key=lambda risk: -risk.likelihood * risk.impact)
    return Outline(tasks=tasks, means=_means(playbooks), risks=tuple(by_weight), currency=currencies[0])


Places = Mapping[str, tuple[Playbook, PlaybookTask]]


def _ids(kept: Iterable[tuple[Playbook, PlaybookTask]]) -> dict[str, str]:
    pairs = list(kept)
    count = Counter(task.id for _, task in pairs)
    return {
        f"{playbook.name}.{task.id}": task.id if count[task.id] == 1 else f"{playbook.name}_{task.id}"
        for playbook, task in pairs
    }


def _task(playbook: Playbook, task: PlaybookTask, places: Places, ids: Mapping[str, str]) -> OutlineTask:
    own = (f"{playbook.name}.{each}" for each in task.after)
    named = [*own, *(link for link in task.links if link in places)]
    after = dict.fromkeys(ids[_standing(each, places)] for each in named)
    return OutlineTask(
        id=ids[f"{playbook.name}.{task.id}"],
        title=task.title,
        description=task.description,
        playbook=playbook.name,
        modes=task.modes,
        after=tuple(after),
        capability=task.capability,
        params=task.params,
    )


def _standing(place: str, places: Places) -> str:
    """The task itself, or the one in its place where it is left out."""
    _, task = places[place]
    return _standing(str(task.replaced_by), places) if task.replaced_by in places else place


def _means(playbooks: Iterable[Playbook]) -> dict[str, Means]:
    found: dict[str, Means] = {}
    for playbook in playbooks:
        for name, means in playbook.means.items():
            first = found.get(name, means)
            found[name] = first.model_copy(update={"capacity": max(first.capacity, means.capacity)})
    return found

"""What a playbook is: the work that a kind of objective needs, as somebody who has done it would break it down.

Figures are defaults: hours and prices are to be edited where one's own are known.
"""

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]
Link = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}\.[a-z][a-z0-9_]{0,47}$")]
"""`PLAYBOOK.TASK`."""
Words = Annotated[str, Field(min_length=1, max_length=400)]
MOST_TASKS = 60


class _Strict(BaseModel):
    # Built with the first playbook, not with the process: a gateway starts often and plans rarely.
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Hours(_Strict):
    """Three points of a duration in hours of work: everything goes well, the usual, everything goes wrong."""

    low: float = Field(ge=0, le=2000, allow_inf_nan=False)
    likely: float = Field(ge=0, le=2000, allow_inf_nan=False)
    high: float = Field(ge=0, le=2000, allow_inf_nan=False)

    @model_validator(mode="after")
    def _ascending(self) -> Self:
        if not self.low <= self.likely <= self.high:
            raise ValueError(f"expected low <= likely <= high, got {self.low:g}, {self.likely:g}, {self.high:g}")
        return self


class PlaybookMode(_Strict):
    """One way to do a task; `cost_minor` is what it costs beside the hours of its resources."""

    name: Name
    hours: Hours
    needs: Mapping[Name, Annotated[int, Field(ge=0, le=1_000_000)]] = Field(default_factory=dict)
    cost_minor: int = Field(default=0, ge=0, le=10**12)


class Means(_Strict):
    """A resource: people of a role, or machines; `rate_minor` is what one of it costs an hour."""

    capacity: int = Field(ge=0, le=1_000_000)
    rate_minor: int = Field(default=0, ge=0, le=10**9)
    unit: str = Field(default="people", max_length=24)


class PlaybookTask(_Strict):
    """A piece of work.

    `after` names tasks of the same playbook. `links` names tasks of others, as `PLAYBOOK.TASK`: they count where that
    playbook is part of the plan. `replaced_by` names a task of another playbook: where that one is part of the plan,
    this task is left out and what comes after it comes after the other. `capability` is what the platform can do.
    """

    id: Name
    title: Annotated[str, Field(min_length=1, max_length=60)]
    description: Annotated[str, Field(max_length=600)] = ""
    modes: tuple[PlaybookMode, ...] = Field(min_length=1, max_length=5)
    after: tuple[Name, ...] = ()
    links: tuple[Link, ...] = ()
    replaced_by: Link | None = None
    capability: Name | None = None
    params: Mapping[str, JsonValue] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        names = [mode.name for mode in self.modes]
        if len(set(names)) < len(names):
            raise ValueError(f"task {self.id!r} has two modes of one name: {names}")
        if self.params and self.capability is None:
            raise ValueError(f"task {self.id!r} has params and no capability to give them to")
        return self


class Risk(_Strict):
    """What may go wrong; likelihood and impact from 1 to 5."""

    title: Words
    likelihood: int = Field(ge=1, le=5)
    impact: int = Field(ge=1, le=5)
    trigger: Words
    response: Words


class Playbook(_Strict):
    """The work of one domain; `words` are those that an objective of this kind is told in."""

    name: Name
    title: Annotated[str, Field(min_length=1, max_length=60)]
    domain: Name
    summary: Words
    words: tuple[Annotated[str, Field(min_length=1, max_length=60)], ...] = Field(min_length=1, max_length=60)
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")
    uses: tuple[Name, ...] = ()
    """Playbooks that always come along."""

    means: Mapping[Name, Means]
    tasks: tuple[PlaybookTask, ...] = Field(min_length=1, max_length=MOST_TASKS)
    risks: tuple[Risk, ...] = Field(default=(), max_length=30)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        problem = next(self._problems(), None)
        if problem:
            raise ValueError(f"playbook {self.name!r}: {problem}")
        return self

    def _problems(self) -> Iterator[str]:
        ids = [task.id for task in self.tasks]
        yield from (f"task id {each!r} is given twice" for each in {each for each in ids if ids.count(each) > 1})
        for task in self.tasks:
            strangers = [each for each in task.after if each not in ids]
            yield from (f"task {task.id!r} comes after {each!r}, and there is no such task" for each in strangers)
            for mode in task.modes:
                unknown = [each for each in mode.needs if each not in self.means]
                yield from (f"task {task.id!r} needs {each!r}, which is not among its means" for each in unknown)
        found = circle({task.id: task.after for task in self.tasks})
        if found:
            yield f"tasks wait for one another in a circle: {found}"


def circle(after: Mapping[str, Sequence[str]]) -> str:
    """Tasks that wait for one another, as words; empty where there is no circle."""
    try:
        TopologicalSorter(after).prepare()
    except CycleError as error:
        return " after ".join(error.args[1])
    return ""

"""A request to rank work, checked a thousand tasks at a time so that other threads have their turn."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Annotated, NotRequired, TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from brain.errors import invalid
from brain.l20.priority.weights import WeightChanges
from brain.runs.port import Priority
from runtime.problems import FieldError, Problem

CHUNK = 1000
_T = TypeVar("_T")
MOST_ERRORS = 20
MOST_DEPENDENCIES = 1000

Amount = Annotated[float, Field(ge=0, le=1e15, allow_inf_nan=False, strict=True)]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Resources(TypedDict):
    """Cores, graphics cards, memory in GB."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    cpu: NotRequired[Amount]
    gpu: NotRequired[Amount]
    memory_gb: NotRequired[Amount]


class WorkTask(TypedDict):
    """A piece of work."""

    __pydantic_config__ = ConfigDict(extra="forbid")  # type: ignore[misc]

    id: Annotated[Name, Field(description="unique in the request")]
    type: Annotated[Name, Field(description="a capability, whose estimates stand in for what is left out")]
    priority: NotRequired[Annotated[Priority, Field(description="`normal` where left out")]]
    deadline: NotRequired[Annotated[AwareDatetime, Field(description="with its offset from UTC")]]
    value: NotRequired[Annotated[Amount, Field(description="what it is worth, in any unit, the same for all tasks")]]
    cost_minor: NotRequired[Annotated[Amount, Field(description="minor units of money")]]
    duration_seconds: NotRequired[Amount]
    created_at: NotRequired[Annotated[AwareDatetime, Field(description="with its offset from UTC")]]
    depends_on: NotRequired[Annotated[list[Name], Field(max_length=MOST_DEPENDENCIES, description="ids of tasks")]]
    resources: NotRequired[Annotated[Resources, Field(description="what it occupies while it runs")]]


class PrioritizeOptions(BaseModel):
    """What a request says beside its tasks."""

    model_config = ConfigDict(extra="forbid")

    weights: WeightChanges = Field(default_factory=WeightChanges, description="in place of the settings'")
    top: int | None = Field(default=None, ge=1, strict=True, description="how many are answered; all if left out")
    capacity: Resources | None = Field(default=None, description="what is free; without it the fit does not count")


class PrioritizeRequest(PrioritizeOptions):
    """Work that is to be ranked."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "tasks": [
                        {"id": "task1", "type": "image_generation", "priority": "high"},
                        {"id": "task2", "type": "crypto_prediction", "priority": "normal"},
                    ]
                }
            ]
        },
    )

    tasks: list[WorkTask] = Field(min_length=1)


@dataclass(frozen=True)
class Asked:
    """A request that was understood; `after` has places of tasks, each once."""

    tasks: list[WorkTask]
    after: Sequence[tuple[int, ...]]
    options: PrioritizeOptions


_TASKS: TypeAdapter[list[WorkTask]] = TypeAdapter(list[WorkTask])


def read(document: object, most_tasks: int) -> Asked:
    """Check a request; its list of tasks is emptied.

    Raises:
        Problem: 422; the errors' pointers lead into the document, and there are at most `MOST_ERRORS` of them.
    """
    if not isinstance(document, dict):
        raise refused("", f"expected an object with the list 'tasks', received {type(document).__name__}")
    rows = document.get("tasks")
    if not isinstance(rows, list) or not 1 <= len(rows) <= most_tasks:
        received = f"{len(rows)}" if isinstance(rows, list) else type(rows).__name__
        raise refused("/tasks", f"expected a list of 1 to {most_tasks} tasks, received {received}")
    try:
        options = PrioritizeOptions.model_validate({name: document[name] for name in document if name != "tasks"})
    except ValidationError as error:
        raise invalid([{**one, "loc": ("body", *one["loc"])} for one in error.errors(include_url=False)]) from error
    tasks = _tasks(rows)
    return Asked(tasks, _places(tasks), options)


def request_schema() -> object:
    """The request's JSON schema without references, which a part of an OpenAPI document could not resolve."""
    schema = PrioritizeRequest.model_json_schema()
    parts = schema.pop("$defs", {})

    def whole(value: object) -> object:
        if isinstance(value, list):
            return [whole(one) for one in value]
        if not isinstance(value, dict):
            return value
        named = parts[value["$ref"].rpartition("/")[2]] if "$ref" in value else {}
        return {name: whole(one) for name, one in {**named, **value}.items() if name != "$ref"}

    return whole(schema)


def refused(pointer: str, detail: str, **extensions: object) -> Problem:
    """A 422 problem about one place of the document."""
    return Problem(
        422, detail=f"{pointer or 'the body'}: {detail}", errors=[FieldError(pointer, detail)], extensions=extensions
    )


def in_chunks(things: list[_T]) -> Iterator[list[_T]]:
    """All in the order given, some at a time; the list is emptied: to let go of millions at once takes long too."""
    things.reverse()
    while things:
        chunk = things[: -CHUNK - 1 : -1]
        del things[-CHUNK:]
        yield chunk


def _tasks(rows: list[object]) -> list[WorkTask]:
    tasks: list[WorkTask] = []
    errors: list[Mapping[str, object]] = []
    for number, chunk in enumerate(in_chunks(rows)):
        begin = number * CHUNK
        try:
            tasks += _TASKS.validate_python(chunk)
        except ValidationError as error:
            for one in error.errors(include_url=False):
                place, *rest = one["loc"]
                errors.append({**one, "loc": ("body", "tasks", begin + int(place), *rest)})
        if len(errors) >= MOST_ERRORS:
            break
    if errors:
        raise invalid(errors[:MOST_ERRORS])
    return tasks


def _places(tasks: Sequence[WorkTask]) -> Sequence[tuple[int, ...]]:
    by_id = {task["id"]: place for place, task in enumerate(tasks)}
    errors = list(islice(_broken(tasks, by_id), MOST_ERRORS))
    if errors:
        raise Problem(422, detail="; ".join(f"{one.pointer}: {one.detail}" for one in errors[:3]), errors=errors)
    none: tuple[int, ...] = ()
    # A dictionary keeps one of each in the order given.
    return [tuple(dict.fromkeys(map(by_id.__getitem__, t["depends_on"]))) if "depends_on" in t else none for t in tasks]


def _broken(tasks: Sequence[WorkTask], by_id: Mapping[str, int]) -> Iterator[FieldError]:
    for place, task in enumerate(tasks):
        last = by_id[task["id"]]
        if last != place:
            yield FieldError(f"/tasks/{place}/id", f"{task['id']!r} stands again at /tasks/{last}; ids are unique")
        for at, other in enumerate(task.get("depends_on", ())):
            if other not in by_id:
                detail = f"there is no task {other!r} in this request; leave it out, or add the task"
                yield FieldError(f"/tasks/{place}/depends_on/{at}", detail)

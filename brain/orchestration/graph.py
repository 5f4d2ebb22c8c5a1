"""Checks a graph of tasks before anything of it runs; every error names its task and has a JSON pointer."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from brain.capabilities.port import Capability
from brain.capabilities.registry import Registry, UnknownTypeError
from brain.orchestration.conditions import Condition
from brain.orchestration.cycles import a_cycle
from brain.orchestration.parameters import parameter_errors
from brain.orchestration.references import TASK_ID, Reference, ReferenceSyntaxError, of_text, texts
from runtime.problems import FieldError, Problem, json_pointer, nearest

MOST_TASKS = 1000
MOST_ERRORS = 100
"""What is wrong beyond these is found once they are mended."""
MOST_HINTS = 5
"""Looking for the nearest of a thousand ids takes milliseconds; the first names that are unknown get one."""

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Step:
    """A task as somebody asks for it.

    Attributes:
        id: Its name within the graph.
        type: A capability's.
        parameters: References to other steps may stand in them.
        depends_on: Ids of steps that end before it begins.
        when: Under which condition it is carried out.
        place: Where it stands in the request.
        parameters_place: Where its parameters stand; None: `params` within `place`.
    """

    id: str
    type: str
    parameters: Mapping[str, object]
    depends_on: Sequence[str] = ()
    when: Condition | None = None
    place: Path = ()
    parameters_place: Path | None = None

    @property
    def at_parameters(self) -> Path:
        """Where its parameters stand in the request."""
        return (*self.place, "params") if self.parameters_place is None else self.parameters_place


@dataclass(frozen=True)
class Graph:
    """What was checked: the capability of each step, and the steps that end before it, each once."""

    capabilities: Mapping[str, Capability] = field(default_factory=dict)
    after: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def check(steps: Sequence[Step], registry: Registry) -> Graph:
    """Check a graph of tasks.

    Raises:
        Problem: 422 that lists what is wrong: ids that stand twice or are no ids, unknown types and dependencies with
            the nearest known, bad references, a task that waits for itself, a cycle, parameters that its capability
            does not take.
    """
    if len(steps) > MOST_TASKS:
        detail = f"a run has at most {MOST_TASKS} tasks, received {len(steps)}; split it into several runs"
        raise Problem(422, detail=f"/tasks: {detail}", errors=[FieldError("/tasks", detail)])
    errors = [*_ids(steps)]
    known = {step.id for step in steps}
    capabilities: dict[str, Capability] = {}
    after: dict[str, tuple[str, ...]] = {}
    for step in steps:
        if len(errors) >= MOST_ERRORS:
            break
        errors += _type(step, registry, capabilities)
        edges, wrong = _edges(step, known, MOST_HINTS - len(errors))
        after[step.id] = edges
        errors += wrong or _parameters(step, capabilities.get(step.id))
    if not errors:
        errors += _cycle(steps, after)
    if errors:
        raise refused(errors)
    return Graph(capabilities, after)


def refused(errors: Sequence[FieldError]) -> Problem:
    """A 422 problem from what is wrong with fields."""
    told = list(errors[:MOST_ERRORS])
    detail = "; ".join(f"{error.pointer}: {error.detail}" for error in told[:3])
    more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""
    return Problem(422, detail=detail + more, errors=told)


def _ids(steps: Sequence[Step]) -> Iterator[FieldError]:
    seen: dict[str, Step] = {}
    for step in steps:
        place = json_pointer((*step.place, "id"))
        if not TASK_ID.fullmatch(step.id):
            detail = f"task {step.id[:80]!r}: an id has 1 to 64 letters, digits, `_` and `-`; choose another"
            yield FieldError(place, detail)
        elif step.id in seen:
            first = json_pointer(seen[step.id].place)
            yield FieldError(place, f"task {step.id!r}: {first} has this id already; choose another")
        seen.setdefault(step.id, step)


def _type(step: Step, registry: Registry, found: dict[str, Capability]) -> Iterator[FieldError]:
    try:
        found[step.id] = registry.get(step.type)
    except UnknownTypeError as error:
        yield _error(step, (*step.place, "type"), str(error))


def _edges(step: Step, known: set[str], hints: int) -> tuple[tuple[str, ...], list[FieldError]]:
    """The steps that a step comes after, in the order in which it names them, and what is wrong with those names."""
    found: dict[str, None] = {}
    errors: list[FieldError] = []
    for place, name in _names(step, errors):
        if len(errors) >= MOST_ERRORS:
            break
        if name == step.id:
            errors.append(_error(step, place, "it waits for itself; name another task"))
        elif name not in known:
            close = nearest(name, known) if len(errors) < hints else None
            hint = f"did you mean {close!r}?" if close else "name one that the request has"
            errors.append(_error(step, place, f"there is no task {name[:80]!r}; {hint}"))
        found[name] = None
    return tuple(found), errors


def _names(step: Step, errors: list[FieldError]) -> Iterator[tuple[Path, str]]:
    for number, name in enumerate(step.depends_on):
        yield (*step.place, "depends_on", number), name
    for place, text in texts(step.parameters, step.at_parameters):
        try:
            references: Sequence[Reference] = of_text(text)
        except ReferenceSyntaxError as error:
            errors.append(_error(step, place, str(error)))
            continue
        for reference in references:
            yield place, reference.task
    for reference in () if step.when is None else step.when.references():
        yield (*step.place, "when"), reference.task


def _parameters(step: Step, capability: Capability | None) -> Iterator[FieldError]:
    if capability is None:
        return
    for path, detail in parameter_errors(capability, step.parameters):
        yield _error(step, (*step.at_parameters, *path), detail)


def _cycle(steps: Sequence[Step], after: Mapping[str, tuple[str, ...]]) -> Iterator[FieldError]:
    found = a_cycle(after)
    if not found:
        return
    first = next(step for step in steps if step.id == found[0])
    way = " -> ".join((*found, found[0]))
    yield _error(first, first.place, f"tasks wait for one another: {way}; take one of these edges away")


def _error(step: Step, place: Path, detail: str) -> FieldError:
    return FieldError(json_pointer(place), f"task {step.id[:80]!r}: {detail}")

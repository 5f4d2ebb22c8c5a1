"""What the platform can do for a task: name, parameters, cost and duration, resources, handler."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import BaseModel

from brain.deadline import Deadline
from runtime.problems import FieldError


@dataclass(frozen=True)
class Estimate:
    """What a call is expected to take: seconds of work, and minor units of money."""

    seconds: float
    cost_minor: int = 0


@dataclass(frozen=True)
class Call:
    """One call of a capability.

    Attributes:
        run_id: The run that it is for.
        task_id: The task of that run.
        owner: The caller who made the run; what is recorded upstream is recorded for them.
        key: `RUN/TASK`, the same for every attempt; who is called recognises repetitions by it.
        parameters: Checked, and every reference in its place resolved.
        deadline: By when the answer must be there.
        attempt: 1 for the first.
    """

    run_id: str
    task_id: str
    owner: str
    key: str
    parameters: Mapping[str, object]
    deadline: Deadline
    attempt: int = 1


@dataclass(frozen=True)
class Answer:
    """What a call gave: a JSON value, and what it has cost in minor units."""

    result: object
    cost_minor: int = 0


Handler = Callable[[Call], Awaitable[Answer]]
"""Raises `runtime.problems.Problem`; which statuses are worth another try is in `RETRIED`."""

RETRIED = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which a call is tried again; every other one is final."""

Parameters = Mapping[str, object]
Schema = type[BaseModel]


def _nothing_wrong(_parameters: Parameters) -> Sequence[FieldError]:
    return ()


@dataclass(frozen=True)
class Capability:
    """A type of task.

    Attributes:
        type: Its name in requests.
        title: Its name in words.
        domain: What it belongs to; a domain may have several types.
        parameters: Their schema; None takes any object.
        scope: What a key needs to have it done, besides `orchestrate`; empty: nothing.
        check: What a schema cannot say of parameters that keep to it, references among them; pointers are into them.
        estimate: What a call with these parameters is expected to take.
        resources: What a call occupies while it runs: `cpu`, `gpu`, `memory_gb`.
        after: Types whose results it uses when both are in one run.
        handler: Does the work; None where the platform knows the type and does not serve it.
        resumable: Whether a call that was in flight at a crash may be made again under its key.
    """

    type: str
    title: str
    domain: str
    parameters: Schema | None
    estimate: Callable[[Parameters], Estimate]
    resources: Mapping[str, float] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    handler: Handler | None = None
    resumable: bool = True
    scope: str = ""
    check: Callable[[Parameters], Sequence[FieldError]] = _nothing_wrong

    @property
    def served(self) -> bool:
        """Whether there is somebody to call."""
        return self.handler is not None

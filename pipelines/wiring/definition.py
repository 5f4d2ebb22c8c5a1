"""What a pipeline is before a target compiles it: its wiring, its parameters and its usual schedule."""

import inspect
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

Task = TypeVar("Task")
Wiring = Callable[..., None]

accelerated_tasks: ContextVar[list[object] | None] = ContextVar("accelerated_tasks", default=None)
"""Tasks that `on_accelerator` named while one pipeline is being traced; None outside of tracing."""


@dataclass(frozen=True)
class Pipeline:
    """A wiring function with what people need to know to run it.

    The function is traced anew for every target, because addresses, image and accelerator differ between targets.
    """

    name: str
    wiring: Wiring
    cron: str
    """Five cron fields, UTC: when `schedule` runs it unless told otherwise."""
    choices: Mapping[str, Collection[object]] = field(default_factory=dict)
    """Parameter → the values it may take; a parameter that is not named takes any value of its type."""
    cluster_arguments: Mapping[str, str] = field(default_factory=dict)
    """Parameter → its value on a Kubernetes cluster unless told otherwise."""

    @property
    def summary(self) -> str:
        """First line of the wiring's docstring."""
        return (inspect.getdoc(self.wiring) or self.name).splitlines()[0]

    @property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The wiring's parameters in order; each has an annotation."""
        return inspect.signature(self.wiring).parameters


def pipeline(
    *,
    name: str,
    cron: str,
    choices: Mapping[str, Collection[object]] | None = None,
    cluster_arguments: Mapping[str, str] | None = None,
) -> Callable[[Wiring], Pipeline]:
    """Name a wiring function; nothing is traced before a target compiles it."""

    def decorate(wiring: Wiring) -> Pipeline:
        return Pipeline(
            name=name, wiring=wiring, cron=cron, choices=choices or {}, cluster_arguments=cluster_arguments or {}
        )

    return decorate


def on_accelerator(task: Task) -> Task:
    """Mark a task that runs faster on an accelerator; the target decides at compile time whether it gets one."""
    tasks = accelerated_tasks.get()
    if tasks is not None:
        tasks.append(task)
    return task

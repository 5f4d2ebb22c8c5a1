"""Work that is to be ranked, in columns: a hundred thousand tasks are a dozen lists."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Origin = Literal["given", "learned", "estimate", "unknown"]
"""Where a number comes from: the request, durations of the past, the capability registry, or nowhere."""


@dataclass(frozen=True)
class Known:
    """What is known of a type of work, for tasks that do not say it; None: nothing is."""

    seconds: float | None
    seconds_from: Origin
    cost_minor: float | None
    resources: Mapping[str, float] = field(default_factory=dict)


NOTHING_KNOWN = Known(None, "unknown", None)


@dataclass(frozen=True)
class Work:
    """Tasks by their place in the request; every list has one entry a task.

    Attributes:
        classes: Index of the priority class, ascending.
        deadlines: Unix seconds; None: there is none.
        values: In the caller's unit; None: it was not said.
        costs: Minor units of money; None: nobody knows.
        seconds: How long it takes; None: nobody knows.
        created: Unix seconds; None: it was not said.
        resources: What it occupies while it runs; empty: nobody knows.
        after: Places of the tasks that end before it begins; each once.
    """

    classes: Sequence[int]
    deadlines: Sequence[float | None]
    values: Sequence[float | None]
    costs: Sequence[float | None]
    seconds: Sequence[float | None]
    created: Sequence[float | None]
    resources: Sequence[Mapping[str, float]]
    after: Sequence[Sequence[int]]

    def __len__(self) -> int:
        return len(self.classes)

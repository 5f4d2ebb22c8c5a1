"""What comes of solving: a schedule, what is proven about it, and how far it may be from the best."""

from dataclasses import dataclass
from typing import Literal

from brain.l20.planning.problem import Schedule

Objective = Literal["makespan", "cost"]
Status = Literal["optimal", "feasible", "infeasible", "unknown"]


@dataclass(frozen=True)
class Found:
    """What a backend knows: its best schedule, a bound on the objective, and whether there is provably no schedule."""

    schedule: Schedule | None
    bound: int
    infeasible: bool = False


@dataclass(frozen=True)
class Solution:
    """An answer; its schedule, if there is one, has passed `check`.

    Attributes:
        schedule: None where status is "infeasible" or "unknown".
        status: "optimal" and "infeasible" are proofs; "unknown": no schedule was found, and nothing proven.
        objective: What was minimised.
        value: Makespan in time units, or cost in minor units; None without a schedule.
        lower_bound: No schedule within the limits has a smaller value.
        seconds: Wall time.
        solver: Who found the schedule or the proof.
    """

    schedule: Schedule | None
    status: Status
    objective: Objective
    value: int | None
    lower_bound: int
    seconds: float
    solver: str

    @property
    def gap(self) -> float | None:
        """Share of the value that is not proven necessary; None without a schedule."""
        if self.value is None:
            return None
        return (self.value - self.lower_bound) / self.value if self.value else 0.0

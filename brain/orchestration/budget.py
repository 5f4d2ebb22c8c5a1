"""What a run may still use: estimates are reserved before a call and settled after it."""

from dataclasses import dataclass
from typing import Literal

from brain.orchestration.step import Step
from brain.runs.port import Run

Fit = Literal["now", "later", "never"]


@dataclass
class Budget:
    """Seconds and minor units that are left; None: no limit.

    Attributes:
        seconds: Left of the seconds, reservations not counted.
        minor: Left of the money, likewise.
        reserved_seconds: For calls in flight.
        reserved_minor: Likewise.
    """

    seconds: float | None
    minor: int | None
    reserved_seconds: float = 0.0
    reserved_minor: int = 0

    @classmethod
    def of(cls, run: Run) -> "Budget":
        """What a run has left as it stands in the store."""
        return cls(
            None if run.budget_seconds is None else run.budget_seconds - run.spent_seconds,
            None if run.budget_minor is None else run.budget_minor - run.spent_minor,
        )

    def fits(self, step: Step) -> Fit:
        """Whether a step's estimates fit: `later`, where they may once calls in flight have cost less than expected."""
        if step.reserved:
            return "now"
        wanted_seconds, wanted_minor = step.task.estimate_seconds, step.task.estimate_minor
        fit: Fit = "now"
        for left, reserved, wanted in (
            (self.seconds, self.reserved_seconds, wanted_seconds),
            (self.minor, self.reserved_minor, wanted_minor),
        ):
            if left is None:
                continue
            if wanted > left:  # also where nothing is expected and more than the budget has been used
                return "never"
            if wanted > left - reserved:
                fit = "later"
        return fit

    def reserve(self, step: Step) -> None:
        """Set a step's estimates aside, once."""
        if not step.reserved:
            step.reserved = True
            self._move(step, 1)

    def hold(self, step: Step) -> None:
        """Count a reservation that was made before this worker had the run."""
        self._move(step, 1)

    def settle(self, step: Step, seconds: float, minor: int) -> None:
        """Take what a call has used instead of what was set aside for it."""
        if step.reserved:
            step.reserved = False
            self._move(step, -1)
        if self.seconds is not None:
            self.seconds -= seconds
        if self.minor is not None:
            self.minor -= minor

    def told(self, step: Step) -> str:
        """Why a step does not fit, in words."""
        parts = []
        if self.seconds is not None and step.task.estimate_seconds > self.seconds:
            parts.append(f"{step.task.estimate_seconds:g} s are expected and {max(0.0, self.seconds):g} s are left")
        if self.minor is not None and step.task.estimate_minor > self.minor:
            parts.append(f"{step.task.estimate_minor} minor units are expected and {max(0, self.minor)} are left")
        return " and ".join(parts) or "the budget is used up"

    def _move(self, step: Step, sign: int) -> None:
        self.reserved_seconds += sign * step.task.estimate_seconds
        self.reserved_minor += sign * step.task.estimate_minor

"""Problems that the engine itself gives tasks; their `type` tells programs which it was."""

from runtime.problems import Problem

BUDGET = "budget-exhausted"
EXPIRED = "run-expired"
LATE = "deadline-exceeded"
LOST = "worker-lost"
NOT_SERVED = "not-served"
SKIPPED = "dependency-failed"
UNKNOWN = "outcome-unknown"


def not_served(type_: str) -> Problem:
    """Nobody answers for a type."""
    detail = f"{type_!r} is known and not served by this platform yet; nothing was called"
    return Problem(503, "Not served", detail, NOT_SERVED)


def over_budget(why: str) -> Problem:
    """A call would go beyond the run's budget."""
    detail = f"the call was not made, because the run's budget does not allow it: {why}; give the run a larger budget"
    return Problem(402, "Budget exhausted", detail, BUDGET)


def late(what: str = "its deadline passed before it began") -> Problem:
    """A task's own deadline, or the longest time for a call, has passed."""
    return Problem(504, "Deadline exceeded", what, LATE)


def expired() -> Problem:
    """The run's deadline has passed."""
    return Problem(504, "Run expired", "the deadline of the run passed before the task had ended", EXPIRED)


def lost(starts: int) -> Problem:
    """Workers died with a task again and again."""
    detail = f"{starts} workers ended while they carried the task out, and it is not tried again"
    return Problem(500, "Worker lost", detail, LOST)


def after_failure(names: list[str]) -> Problem:
    """Something that a task depends on did not succeed."""
    shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
    return Problem(424, "Dependency failed", f"not begun, because of what it depends on: {shown}", SKIPPED)


def unknown(why: str) -> Problem:
    """Nobody knows whether a call that cannot be repeated was made."""
    detail = f"{why}; whether the call took effect is not known, and it cannot be repeated safely: look at the provider"
    return Problem(500, "Outcome unknown", detail, UNKNOWN)

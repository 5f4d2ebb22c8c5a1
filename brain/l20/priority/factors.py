"""What speaks for a task, each factor a number from 0 to 1.

Amounts without an upper end go through x / (x + h), which is a half at h, or its complement: no task can push the
others out of sight by one enormous number, and twice as much always counts more.
"""

from collections.abc import Mapping, Sequence
from statistics import median

from brain.l20.priority.work import Work
from brain.runs.port import PRIORITIES

UNKNOWN = 0.5
"""Neither for nor against."""

Column = list[float]


def priority(classes: Sequence[int]) -> Column:
    """The class: 0 for the lowest, 1 for the highest."""
    levels = [level / (len(PRIORITIES) - 1) for level in range(len(PRIORITIES))]
    return [levels[one] for one in classes]


def urgency(slacks: Sequence[float | None], half: float) -> Column:
    """1 where no slack is left, a half at `half` seconds of it, 0 without a deadline."""
    return [0.0 if slack is None else 1.0 if slack <= 0 else half / (half + slack) for slack in slacks]


def much(amounts: Sequence[float | None], half: float, unknown: float = 0.0) -> Column:
    """More counts more."""
    return [unknown if amount is None else amount / (amount + half) if amount > 0 else 0.0 for amount in amounts]


def little(amounts: Sequence[float | None], half: float) -> Column:
    """Less counts more; what nobody knows counts a half."""
    return [UNKNOWN if amount is None else half / (half + amount) for amount in amounts]


def fit(resources: Sequence[Mapping[str, float]], capacity: Mapping[str, float]) -> Column:
    """What is left of the scarcest resource while the task runs; 0 where it does not fit, a half where nobody knows.

    The share of the scarcest is the dominant share of Ghodsi et al. (2011), "Dominant Resource Fairness".
    """
    cache: dict[tuple[tuple[str, float], ...], float] = {}
    found = []
    for needs in resources:
        key = tuple(needs.items())
        if key not in cache:
            cache[key] = _fit(needs, capacity)
        found.append(cache[key])
    return found


def fits(needs: Mapping[str, float], capacity: Mapping[str, float]) -> bool | None:
    """Whether there is room for the task alone; None where nobody knows what it needs."""
    return all(need <= capacity[name] for name, need in needs.items() if name in capacity) if needs else None


def typical(amounts: Sequence[float | None]) -> float:
    """The median of the amounts above 0; 1 where there is none."""
    known = [amount for amount in amounts if amount]
    return float(median(known)) if known else 1.0


def ages(work: Work, now: float) -> list[float | None]:
    """Seconds since each task was created; None where that was not said."""
    return [None if at is None else now - at for at in work.created]


def _fit(needs: Mapping[str, float], capacity: Mapping[str, float]) -> float:
    if not needs:
        return UNKNOWN
    if not fits(needs, capacity):
        return 0.0
    shares = [need / capacity[name] for name, need in needs.items() if need and name in capacity]
    return 1.0 - max(shares, default=0.0)

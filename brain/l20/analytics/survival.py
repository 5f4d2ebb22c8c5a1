"""Quantiles of durations of which some were cut short.

The estimator is that of Kaplan and Meier (1958), "Nonparametric Estimation from Incomplete Observations", Journal of
the American Statistical Association 53, pages 457 to 481.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Observation:
    """One duration; where it did not end by itself (failed, cancelled, still going), it was at least this long."""

    seconds: float
    ended: bool = True


class Survival:
    """The share of durations that are longer than a number of seconds.

    Args:
        observations: In any order; negative seconds count as zero.
    """

    def __init__(self, observations: Iterable[Observation]) -> None:
        self.observed, self.censored = 0, 0
        ends: Counter[float] = Counter()
        leaves: Counter[float] = Counter()
        for one in observations:
            seconds = max(0.0, one.seconds)
            leaves[seconds] += 1
            if one.ended:
                ends[seconds] += 1
        self.observed = ends.total()
        self.censored = leaves.total() - self.observed
        self._steps: Sequence[tuple[float, float]] = _steps(ends, leaves)

    def above(self, seconds: float) -> float:
        """The estimated share of durations that are longer."""
        share = 1.0
        for at, after in self._steps:
            if at > seconds:
                break
            share = after
        return share

    def quantile(self, probability: float) -> float | None:
        """Seconds that this share of durations does not exceed; None where too many were cut short to say."""
        if not 0 < probability < 1:
            raise ValueError(f"a quantile lies between 0 and 1, received {probability!r}")
        beyond = 1 - probability
        # A tolerance for sums of quotients: the median of 1, 2, 3, 4 is 2, whatever 3/4 * 2/3 rounds to.
        return next((at for at, after in self._steps if after <= beyond + 1e-12), None)


def _steps(ends: Counter[float], leaves: Counter[float]) -> Sequence[tuple[float, float]]:
    """The estimate just after each moment at which something ended; what is censored there is still at risk."""
    at_risk, share, steps = leaves.total(), 1.0, []
    for seconds in sorted(leaves):
        if ends[seconds]:
            share *= 1 - ends[seconds] / at_risk
            steps.append((seconds, share))
        at_risk -= leaves[seconds]
    return steps

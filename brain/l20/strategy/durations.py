"""How long a task takes, as a distribution: log-normal, from three points or from what was measured.

Three points give mean (low + 4 likely + high) / 6 and standard deviation (high - low) / 6 (Malcolm, Roseboom, Clark and
Fazar 1959); a log-normal with the same two moments has sigma² = ln(1 + (sd / mean)²) and mu = ln(mean) - sigma² / 2.
Activity times are skewed to the right and multiply their causes, which is why the log-normal stands for them (Trietsch,
Mazmanyan, Gevorgyan and Baker 2012).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

from brain.l20.strategy.playbook import Hours


@dataclass(frozen=True)
class Duration:
    """Hours of work: log-normal with `mu` and `sigma` of its logarithm; None for `mu` is no work at all.

    `source` says where it comes from: `playbook`, or `learned` with the number of observations.
    """

    mu: float | None
    sigma: float
    source: str = "playbook"

    def quantile(self, share: float) -> float:
        """Hours within which that share of such tasks ends; `share` in (0, 1)."""
        if self.mu is None:
            return 0.0
        return math.exp(self.mu + self.sigma * NormalDist().inv_cdf(share))

    @property
    def mean(self) -> float:
        """Expected hours."""
        return 0.0 if self.mu is None else math.exp(self.mu + self.sigma**2 / 2)


def of_three_points(hours: Hours) -> Duration:
    """The log-normal with the mean and the standard deviation of three points."""
    mean = (hours.low + 4 * hours.likely + hours.high) / 6
    if mean == 0:
        return Duration(None, 0.0)
    deviation = (hours.high - hours.low) / 6
    variance = math.log1p((deviation / mean) ** 2)
    return Duration(math.log(mean) - variance / 2, math.sqrt(variance))

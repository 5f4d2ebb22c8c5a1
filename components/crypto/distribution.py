"""What a person asks of a forecast, from its quantiles: prices, intervals, the chance of a rise, volatility.

Quantiles q_1 <= … <= q_K at levels p_1 < … < p_K become one distribution of the log return. With z_k the standard
normal score of p_k, the return is X = g(Z) for a standard normal Z, where g joins the points (z_k, q_k) by straight
lines and goes on beyond the outermost points with the slope of the outermost pair. So the distribution passes through
every quantile, is exactly normal where the quantiles are, and has normal tails as wide as the outermost pair says.
Equal neighbours are a point of positive probability. Only the standard library is needed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from statistics import NormalDist
from typing import NamedTuple

INTERVAL_PERCENTS = (50, 80, 95)

_NORMAL = NormalDist()


class DistributionError(ValueError):
    """The quantiles or the price are not those of a forecast."""


class _Piece(NamedTuple):
    """The straight piece of g from the score `start` to `end`, through (`score`, `value`)."""

    start: float
    end: float
    score: float
    value: float
    slope: float

    def at(self, score: float) -> float:
        return self.value + self.slope * (score - self.score)

    def highest_score(self, value: float) -> float:
        """The largest score of the piece whose return is at most `value`; `start` where there is none."""
        if self.slope == 0.0:
            return self.end if value >= self.value else self.start
        return min(self.score + (value - self.value) / self.slope, self.end)

    def moments(self) -> tuple[float, float]:
        """Shares of E[X] and E[X^2]: moments of c + d Z for a standard normal Z between `start` and `end`."""
        c, d = self.at(0.0), self.slope
        mass = _cdf(self.end) - _cdf(self.start)
        first = _pdf(self.start) - _pdf(self.end)
        second = mass + _score_density(self.start) - _score_density(self.end)
        return c * mass + d * first, c * c * mass + 2.0 * c * d * first + d * d * second


@dataclass(frozen=True)
class ReturnDistribution:
    """Distribution of the cumulative log return over one horizon.

    Args:
        levels: At least two, ascending, strictly between 0 and 1.
        quantiles: As many, finite, non-decreasing.

    Raises:
        DistributionError: Lengths, range or order are wrong.
    """

    levels: tuple[float, ...]
    quantiles: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.levels) != len(self.quantiles) or len(self.levels) < 2:
            raise DistributionError(
                f"expected as many quantiles as levels and at least 2, got {len(self.quantiles)} quantiles and "
                f"{len(self.levels)} levels"
            )
        if not (self.levels[0] > 0.0 and self.levels[-1] < 1.0 and all(a < b for a, b in pairwise(self.levels))):
            raise DistributionError(f"levels must ascend strictly between 0 and 1, got {list(self.levels)}")
        if not all(math.isfinite(q) for q in self.quantiles):
            raise DistributionError(f"quantiles must be finite, got {list(self.quantiles)}")
        if any(a > b for a, b in pairwise(self.quantiles)):
            raise DistributionError(f"quantiles must not decrease, got {list(self.quantiles)}")

    @cached_property
    def _pieces(self) -> tuple["_Piece", ...]:
        points = [(_score(level), q) for level, q in zip(self.levels, self.quantiles, strict=True)]
        last = len(points) - 2
        return tuple(
            _Piece(
                start=z0 if position > 0 else -math.inf,
                end=z1 if position < last else math.inf,
                score=z0,
                value=q0,
                slope=(q1 - q0) / (z1 - z0),
            )
            for position, ((z0, q0), (z1, q1)) in enumerate(pairwise(points))
        )

    def quantile(self, level: float) -> float:
        """The return at a level strictly between 0 and 1; a given level returns its own quantile."""
        if not 0.0 < level < 1.0:
            raise DistributionError(f"a level must lie strictly between 0 and 1, got {level}")
        if level in self.levels:
            return self.quantiles[self.levels.index(level)]
        score = _score(level)
        return next(piece for piece in self._pieces if score <= piece.end).at(score)

    def probability_at_most(self, value: float) -> float:
        """P(X <= value)."""
        score = -math.inf
        for piece in self._pieces:
            if value < piece.value and math.isfinite(piece.start):
                break
            score = max(score, piece.highest_score(value))
        return _cdf(score)

    @cached_property
    def _moments(self) -> tuple[float, float]:
        parts = [piece.moments() for piece in self._pieces]
        return math.fsum(first for first, _ in parts), math.fsum(second for _, second in parts)

    @property
    def mean(self) -> float:
        """E[X]."""
        return self._moments[0]

    @property
    def standard_deviation(self) -> float:
        """Root of E[X^2] - E[X]^2, in closed form from the truncated normal moments of every straight piece."""
        mean, square = self._moments
        return math.sqrt(max(square - mean * mean, 0.0))


@dataclass(frozen=True)
class PriceForecast:
    """One horizon for a person: prices in the quote currency, intervals by percent, volatility of the log return."""

    median: float
    intervals: Mapping[str, tuple[float, float]]
    probability_up: float
    expected_volatility: float


def price_forecast(levels: Sequence[float], quantiles: Sequence[float], last_price: float) -> PriceForecast:
    """Turn one horizon's quantiles of cumulative log return into prices and probabilities.

    Args:
        levels: Ascending levels, [Q].
        quantiles: Quantiles of the log return at those levels, non-decreasing, [Q].
        last_price: The close that the returns start from; positive.

    Raises:
        DistributionError: As `ReturnDistribution`, or the price is not a positive number.
    """
    if not (math.isfinite(last_price) and last_price > 0.0):
        raise DistributionError(f"the last price must be a positive number, got {last_price}")
    returns = ReturnDistribution(tuple(levels), tuple(quantiles))
    intervals = {}
    for percent in INTERVAL_PERCENTS:
        tail = round((100 - percent) / 200, 6)
        low, high = returns.quantile(tail), returns.quantile(round(1.0 - tail, 6))
        intervals[str(percent)] = (_price(last_price, low), _price(last_price, high))
    return PriceForecast(
        median=_price(last_price, returns.quantile(0.5)),
        intervals=intervals,
        probability_up=1.0 - returns.probability_at_most(0.0),
        expected_volatility=returns.standard_deviation,
    )


def _price(last_price: float, log_return: float) -> float:
    try:
        return last_price * math.exp(log_return)
    except OverflowError as error:
        raise DistributionError(f"a log return of {log_return} gives no finite price") from error


@lru_cache(maxsize=256)
def _score(level: float) -> float:
    return _NORMAL.inv_cdf(level)


@lru_cache(maxsize=256)
def _pdf(score: float) -> float:
    return math.exp(-0.5 * score * score) / math.sqrt(2.0 * math.pi) if math.isfinite(score) else 0.0


def _cdf(score: float) -> float:
    return 0.5 * math.erfc(-score / math.sqrt(2.0))


def _score_density(score: float) -> float:
    return score * _pdf(score) if math.isfinite(score) else 0.0

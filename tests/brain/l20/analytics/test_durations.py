import math
import random
from dataclasses import dataclass

import pytest

from brain.l20.analytics.durations import LearnedDurations, fit
from brain.l20.analytics.survival import Observation


@dataclass(frozen=True)
class Call:
    type: str
    state: str
    seconds: float


def log_likelihood(observations: list[Observation], mu: float, sigma: float) -> float:
    total = 0.0
    for one in observations:
        z = (math.log(one.seconds) - mu) / sigma
        total += -math.log(sigma) - z * z / 2 if one.ended else math.log(math.erfc(z / math.sqrt(2)) / 2)
    return total


def censored_sample(size: int, mu: float, sigma: float, cut_at: float, seed: int = 3) -> list[Observation]:
    chance = random.Random(seed)
    drawn = [chance.lognormvariate(mu, sigma) for _ in range(size)]
    return [Observation(min(value, cut_at), ended=value <= cut_at) for value in drawn]


def test_a_known_log_normal_is_found_again_although_a_third_was_cut_short() -> None:
    sample = censored_sample(3000, mu=2.0, sigma=0.7, cut_at=math.exp(2.3))
    found = fit(sample)
    assert found is not None and found.censored > 900
    assert (found.mu, found.sigma) == pytest.approx((2.0, 0.7), abs=0.03)
    kept = [math.log(one.seconds) for one in sample if one.ended]
    assert sum(kept) / len(kept) < 1.8, "leaving out what was cut short would have said less"


def test_no_neighbouring_log_normal_is_likelier() -> None:
    sample = censored_sample(200, mu=0.0, sigma=1.0, cut_at=1.5)
    found = fit(sample)
    assert found is not None
    best = log_likelihood(sample, found.mu, found.sigma)
    for by in (-0.01, 0.01):
        assert log_likelihood(sample, found.mu + by, found.sigma) < best
        assert log_likelihood(sample, found.mu, found.sigma + by) < best


def test_without_censoring_it_is_mean_and_deviation_of_the_logarithms() -> None:
    found = fit([Observation(math.exp(value)) for value in (0.0, 1.0, 2.0)], least=3)
    assert found is not None
    assert (found.mu, found.sigma) == pytest.approx((1.0, math.sqrt(2 / 3)))
    assert found.quantile(0.5) == pytest.approx(found.median_seconds) == pytest.approx(math.e)
    assert found.mean_seconds > found.median_seconds


def test_failed_and_cancelled_calls_lengthen_what_is_learned_and_skipped_ones_do_not_count() -> None:
    calls = [Call("a", "succeeded", 1.0 + place / 100) for place in range(20)]
    alone = LearnedDurations(calls).learned("a")
    cut = [Call("a", state, 1.5) for state in ("failed", "cancelled", "outcome_unknown") for _ in range(3)]
    skipped = [Call("a", "skipped", 0.0)] * 50
    both = LearnedDurations([*calls, *cut, *skipped]).learned("a")
    assert alone is not None and both is not None
    assert (both.observed, both.censored) == (20, 9)
    assert both.quantile(0.9) > alone.quantile(0.9)


def test_too_few_that_ended_by_themselves_teach_nothing() -> None:
    calls = [Call("a", "succeeded", 1.0)] * 19 + [Call("a", "failed", 9.0)] * 100
    assert LearnedDurations(calls).learned("a") is None
    assert LearnedDurations(calls).learned("unheard of") is None
    assert LearnedDurations([*calls, Call("a", "succeeded", 1.0)]).learned("a") is not None


def test_equal_and_zero_durations_stay_finite() -> None:
    found = fit([Observation(0.0)] * 20 + [Observation(5.0, ended=False)])
    assert found is not None
    assert 0 < found.quantile(0.5) < found.quantile(0.99) < math.inf

import math
import random

import pytest

from brain.l20.analytics.survival import Observation, Survival


def test_without_censoring_quantiles_are_those_of_the_sample() -> None:
    survival = Survival(Observation(seconds) for seconds in (4.0, 1.0, 3.0, 2.0))
    assert [survival.quantile(p) for p in (0.25, 0.5, 0.75, 0.9)] == [1.0, 2.0, 3.0, 4.0]
    assert [survival.above(at) for at in (0.5, 1.0, 2.5, 9.0)] == pytest.approx([1.0, 0.75, 0.5, 0.0])


def test_the_estimate_of_a_worked_example_is_that_by_hand() -> None:
    """Ends at 6 (three of 21 at risk), 7 (one of 17), 10 (one of 15), 13 (one of 12): Freireich's 6-MP patients."""
    ended = (6, 6, 6, 7, 10, 13, 16, 22, 23)
    censored = (6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35)
    survival = Survival([*map(Observation, ended), *(Observation(at, ended=False) for at in censored)])
    by_hand = {6: 0.857, 7: 0.807, 10: 0.753, 13: 0.690, 16: 0.627, 22: 0.538, 23: 0.448}
    assert {at: round(survival.above(at), 3) for at in by_hand} == by_hand
    assert (survival.observed, survival.censored, survival.quantile(0.5)) == (9, 12, 23)


def test_a_quantile_that_too_many_were_cut_short_to_know_is_none() -> None:
    survival = Survival([Observation(1.0), Observation(2.0, ended=False), Observation(3.0, ended=False)])
    assert survival.quantile(0.3) == 1.0
    assert survival.quantile(0.5) is None
    assert Survival([]).quantile(0.5) is None


def test_what_was_cancelled_is_not_taken_for_short() -> None:
    """Half of exponential durations are cut short at random: the plain median of all is wrong, the estimate is not."""
    chance = random.Random(7)
    drawn = [(chance.expovariate(1), chance.expovariate(1)) for _ in range(4000)]
    survival = Survival(Observation(min(pair), ended=pair[0] <= pair[1]) for pair in drawn)
    plain = sorted(min(pair) for pair in drawn)[2000]
    median = survival.quantile(0.5)
    assert median == pytest.approx(math.log(2), rel=0.07)
    assert plain < 0.6 * math.log(2)


def test_a_quantile_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        Survival([Observation(1.0)]).quantile(95)

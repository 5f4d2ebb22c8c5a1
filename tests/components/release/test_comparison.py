from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.release.comparison import compare, mean_losses
from components.release.errors import GateError

WriteLosses = Callable[..., Path]

DAY = 86_400
BARS, HORIZONS = 24 * 20, 2


def _noise(seed: int, scale: float = 0.3) -> np.ndarray:
    return 1.0 + scale * np.abs(np.random.default_rng(seed).normal(size=(BARS, HORIZONS)))


def test_a_constant_share_better_is_that_much_better_without_doubt(write_losses: WriteLosses) -> None:
    base = [_noise(1), _noise(2)]
    losses = write_losses({"new": [0.9 * series for series in base], "old": base})
    made = compare(losses, "new", "old", block_seconds=DAY)
    assert (made.relative, made.low, made.high) == pytest.approx((-0.1, -0.1, -0.1))
    assert made.mean_difference == pytest.approx(-0.1 * np.mean(base))
    assert (made.n, made.blocks) == (2 * BARS * HORIZONS, 20)


def test_the_order_of_rows_in_the_file_does_not_matter(write_losses: WriteLosses) -> None:
    import pyarrow.parquet as pq

    losses = write_losses({"new": [_noise(1)], "old": [_noise(2)]})
    table = pq.read_table(losses)
    shuffled = losses.with_name("shuffled.parquet")
    pq.write_table(table.take(np.random.default_rng(3).permutation(table.num_rows)), shuffled)
    assert compare(losses, "new", "old", block_seconds=DAY) == compare(shuffled, "new", "old", block_seconds=DAY)


def test_blocks_move_together_so_that_dependence_widens_the_interval(write_losses: WriteLosses) -> None:
    shocks = np.repeat(np.random.default_rng(5).normal(0, 0.2, size=20), 24)[:, None] * np.ones((1, HORIZONS))
    losses = write_losses({"new": [_noise(1, 0.01) + shocks], "old": [_noise(2, 0.01)]})
    daily = compare(losses, "new", "old", block_seconds=DAY)
    hourly = compare(losses, "new", "old", block_seconds=3600)
    assert daily.high - daily.low > 3 * (hourly.high - hourly.low)


def test_the_interval_covers_the_truth_about_as_often_as_it_says(write_losses: WriteLosses) -> None:
    covered = 0
    for seed in range(40):
        # Each entrant's losses share daily shocks; their true relative difference is -5 %.
        chance = np.random.default_rng(seed)
        common = np.repeat(chance.gamma(4, 0.25, size=20), 24)[:, None]
        own = np.repeat(chance.normal(0, 0.1, size=20), 24)[:, None]
        losses = write_losses({"new": [0.95 * common + own], "old": [common]}, file=f"{seed}.parquet")
        made = compare(losses, "new", "old", block_seconds=DAY, resamples=300)
        covered += made.low <= -0.05 <= made.high
    assert 33 <= covered <= 40


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scale=st.floats(0.5, 2.0), seed=st.integers(0, 1000))
def test_the_interval_holds_the_estimate_and_ignores_the_unit(
    write_losses: WriteLosses, scale: float, seed: int
) -> None:
    new, old = _noise(seed)[:96], _noise(seed + 1)[:96]
    made = compare(write_losses({"new": [new], "old": [old]}), "new", "old", block_seconds=DAY, resamples=200)
    scaled = write_losses({"new": [scale * new], "old": [scale * old]}, file="scaled.parquet")
    again = compare(scaled, "new", "old", block_seconds=DAY, resamples=200)
    assert made.low <= made.relative <= made.high
    assert (again.relative, again.low, again.high) == pytest.approx((made.relative, made.low, made.high))


def test_entrants_that_were_not_scored_on_the_same_rows_are_not_compared(write_losses: WriteLosses) -> None:
    losses = write_losses({"new": [_noise(1)[:-1]], "old": [_noise(2)]})
    with pytest.raises(GateError, match="not scored on the same rows"):
        compare(losses, "new", "old", block_seconds=DAY)


def test_an_entrant_without_losses_is_named_beside_those_that_have_some(write_losses: WriteLosses) -> None:
    losses = write_losses({"new": [_noise(1)], "old": [_noise(2)]})
    with pytest.raises(GateError, match="'nobody'; entrants: new, old"):
        compare(losses, "nobody", "old", block_seconds=DAY)


def test_too_little_time_for_two_blocks_is_refused(write_losses: WriteLosses) -> None:
    losses = write_losses({"new": [_noise(1)[:5]], "old": [_noise(2)[:5]]})
    with pytest.raises(GateError, match="at least 2 blocks"):
        compare(losses, "new", "old", block_seconds=DAY)


def test_losses_that_are_not_finite_are_refused(write_losses: WriteLosses) -> None:
    broken = _noise(1)
    broken[3, 0] = np.nan
    with pytest.raises(GateError, match="finite"):
        compare(write_losses({"new": [broken], "old": [_noise(2)]}), "new", "old", block_seconds=DAY)


def test_mean_losses_are_by_entrant(write_losses: WriteLosses) -> None:
    losses = write_losses({"new": [np.full((4, 2), 1.0)], "old": [np.full((4, 2), 3.0)]})
    assert mean_losses(losses) == {"new": 1.0, "old": 3.0}

import numpy as np
import pytest

from runtime.bootstrap import BootstrapError, block_bootstrap_means, percentile_interval, time_blocks


def test_intervals_of_independent_rows_have_the_width_of_the_normal_theory() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, size=(4000, 1))
    low, high = percentile_interval(block_bootstrap_means(values, np.arange(4000), resamples=2000))[0]
    expected = 2 * 1.96 * 2.0 / np.sqrt(4000)
    assert low < 3.0 < high
    assert high - low == pytest.approx(expected, rel=0.1)


def test_rows_that_move_together_in_a_block_widen_the_interval() -> None:
    shocks = np.repeat(np.random.default_rng(2).normal(size=100), 25)
    ids = np.repeat(np.arange(100), 25)
    blocked = block_bootstrap_means(shocks, ids).std()
    alone = block_bootstrap_means(shocks, np.arange(2500)).std()
    assert blocked == pytest.approx(5.0 * alone, rel=0.15)


def test_columns_are_paired_so_that_a_constant_difference_has_no_spread() -> None:
    first = np.random.default_rng(3).normal(size=600)
    samples = block_bootstrap_means(np.stack([first, first + 0.5], axis=1), np.arange(600) // 24)
    np.testing.assert_allclose(samples[:, 1] - samples[:, 0], 0.5, atol=1e-12)


def test_blocks_count_with_the_rows_they_have() -> None:
    values = np.concatenate([np.ones(30), np.zeros(10)])
    ids = np.concatenate([np.zeros(30), np.ones(10)])
    assert set(np.round(block_bootstrap_means(values, ids, resamples=50)[:, 0], 6)) == {0.0, 0.75, 1.0}


def test_the_same_seed_draws_the_same_blocks_in_any_row_order() -> None:
    values, ids = np.arange(100.0), np.arange(100) // 10
    order = np.random.default_rng(4).permutation(100)
    again = block_bootstrap_means(values[order], ids[order], seed=7)
    np.testing.assert_allclose(again, block_bootstrap_means(values, ids, seed=7))
    assert not np.allclose(again, block_bootstrap_means(values, ids, seed=8))


def test_times_fall_into_blocks_of_equal_length() -> None:
    times = np.datetime64("2024-01-01T00:00", "us") + np.arange(72) * np.timedelta64(1, "h")
    blocks = time_blocks(times, 86_400)
    assert (blocks - blocks[0]).tolist() == [0] * 24 + [1] * 24 + [2] * 24


@pytest.mark.parametrize(
    ("values", "ids", "message"),
    [
        (np.ones(3), np.zeros(3), "at least 2 blocks"),
        (np.array([1.0, np.nan]), np.arange(2), "finite"),
        (np.ones((3, 2)), np.arange(2), r"\(3, 2\) and \(2,\)"),
    ],
)
def test_what_cannot_be_resampled_is_refused(values: np.ndarray, ids: np.ndarray, message: str) -> None:
    with pytest.raises(BootstrapError, match=message):
        block_bootstrap_means(values, ids)

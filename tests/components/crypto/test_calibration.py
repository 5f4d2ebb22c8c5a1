import numpy as np
import pytest

from components.crypto.calibration import PAIRS, Calibration, CalibrationError, fit_calibration
from components.crypto.metrics import covered
from feature_repo.crypto import QUANTILE_LEVELS

SHAPE = np.array([-1.96, -1.28, -0.67, 0.0, 0.67, 1.28, 1.96])


def heteroscedastic(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts with half the right spread, of a volatility that varies tenfold, and targets for two horizons."""
    random = np.random.default_rng(seed)
    scale = np.exp(random.uniform(-1.15, 1.15, rows))[:, None] * np.array([1.0, 2.0])
    return 0.5 * scale[..., None] * SHAPE, scale * random.normal(size=(rows, 2))


def test_coverage_is_restored_on_new_rows_at_every_volatility() -> None:
    calibration = fit_calibration(*heteroscedastic(20_000, 0))
    quantiles, targets = heteroscedastic(20_000, 1)
    corrected = calibration.apply(quantiles)
    wild = quantiles[:, 0, -1] > np.median(quantiles[:, 0, -1])
    for percent in (50, 80, 95):
        hits = covered(targets, corrected, percent)
        assert hits.mean(axis=0) == pytest.approx(percent / 100, abs=0.01)
        assert hits[wild].mean() == pytest.approx(hits[~wild].mean(), abs=0.02)


def test_intervals_that_are_too_wide_are_narrowed() -> None:
    quantiles, targets = heteroscedastic(5_000, 0)
    calibration = fit_calibration(4.0 * quantiles, targets)
    assert (calibration.corrections < 0).all()
    assert covered(targets, calibration.apply(4.0 * quantiles), 80).mean() == pytest.approx(0.8, abs=0.01)


def test_the_rank_is_that_of_a_finite_sample() -> None:
    scores = np.arange(1.0, 100.0)
    quantiles = np.broadcast_to(np.array([-1.0, -0.75, -0.5, 0.0, 0.5, 0.75, 1.0]), (99, 1, 7))
    corrections = fit_calibration(quantiles, 0.5 + scores[:, None]).corrections
    innermost, middle, outermost = corrections[0]
    assert innermost == 50.0
    assert middle == 80.0 - 0.25
    assert outermost == 95.0 - 0.5


def test_quantiles_stay_ordered_whatever_the_corrections() -> None:
    random = np.random.default_rng(0)
    quantiles = np.sort(random.normal(size=(500, 2, 7)), axis=-1)
    calibration = Calibration(random.normal(scale=2.0, size=(2, len(PAIRS))).astype(np.float32), 1)
    corrected = calibration.apply(quantiles)
    assert (np.diff(corrected, axis=-1) >= 0).all()
    np.testing.assert_array_equal(corrected[..., 3], quantiles[..., 3].astype(np.float32))


def test_the_description_names_the_levels_and_lists_every_horizon() -> None:
    calibration = fit_calibration(*heteroscedastic(100, 0))
    corrections = calibration.description()["corrections"]
    assert list(corrections) == ["0.25-0.75", "0.1-0.9", "0.025-0.975"]
    assert {len(column) for column in corrections.values()} == {2}


def test_too_few_rows_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(CalibrationError, match="at least 50 rows, got 49"):
        fit_calibration(np.zeros((49, 2, len(QUANTILE_LEVELS))), np.zeros((49, 2)))
    with pytest.raises(
        CalibrationError, match=r"quantiles must be \(60, 2, 7\) for targets \(60, 2\), got \(60, 3, 7\)"
    ):
        fit_calibration(np.zeros((60, 3, 7)), np.zeros((60, 2)))

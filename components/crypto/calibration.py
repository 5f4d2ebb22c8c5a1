"""Conformal calibration of quantile forecasts, in units of the forecast's own spread.

For a pair of quantiles at levels p and 1 - p and each horizon, with w the distance between the forecast's quartiles,

    score = max(lower - y, y - upper) / w,    lower' = lower - c w,    upper' = upper + c w,

with c the ceil((n + 1)(1 - 2 p))-th smallest score on rows that the model was not trained on: conformalised quantile
regression (Romano, Patterson, Candes 2019) with locally scaled scores. Were rows exchangeable, the pair would cover at
least 1 - 2 p; hours of a market are not, so the coverage that is promised is the one that evaluation measures.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from feature_repo.crypto import QUANTILE_LEVELS

MEDIAN = QUANTILE_LEVELS.index(0.5)
PAIRS = tuple((MEDIAN - step, MEDIAN + step) for step in range(1, MEDIAN + 1))
"""Positions of lower and upper quantile, innermost pair first; the first is the quartiles."""

MIN_ROWS = 50
SMALLEST_SPREAD = 1e-12


class CalibrationError(ValueError):
    """There is too little to calibrate on, or the arrays do not fit one another."""


@dataclass(frozen=True)
class Calibration:
    """Corrections c, float32 [H, P], pairs as in `PAIRS`, and the number of rows that they come from."""

    corrections: npt.NDArray[np.float32]
    rows: int

    def apply(self, quantiles: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Correct quantiles [n, H, Q]; the result is float32 and non-decreasing along Q."""
        table = np.asarray(quantiles, dtype=np.float32)
        result = table.copy()
        low, high = PAIRS[0]
        spread = table[..., high] - table[..., low]
        inner_low = inner_high = table[..., MEDIAN]
        for number, (low, high) in enumerate(PAIRS):
            shift = self.corrections[:, number] * spread
            inner_low = np.minimum(inner_low, table[..., low] - shift)
            inner_high = np.maximum(inner_high, table[..., high] + shift)
            result[..., low], result[..., high] = inner_low, inner_high
        return result

    def description(self) -> Mapping[str, object]:
        """What `calibration.json` holds: method, levels and corrections by horizon."""
        names = [f"{QUANTILE_LEVELS[low]}-{QUANTILE_LEVELS[high]}" for low, high in PAIRS]
        return {
            "method": "conformalised quantile regression, scores over the forecast's interquartile range",
            "rows": self.rows,
            "corrections": {
                name: [float(value) for value in self.corrections[:, number]] for number, name in enumerate(names)
            },
        }


def fit_calibration(quantiles: npt.ArrayLike, targets: npt.ArrayLike) -> Calibration:
    """Find the corrections on held-out rows.

    Args:
        quantiles: Forecasts at `QUANTILE_LEVELS`, [n, H, Q].
        targets: What happened, [n, H].

    Raises:
        CalibrationError: Fewer than 50 rows, or shapes that do not match.
    """
    table, truth = np.asarray(quantiles, dtype=np.float64), np.asarray(targets, dtype=np.float64)
    if table.shape != (*truth.shape, len(QUANTILE_LEVELS)):
        raise CalibrationError(
            f"quantiles must be {(*truth.shape, len(QUANTILE_LEVELS))} for targets {truth.shape}, got {table.shape}"
        )
    if len(truth) < MIN_ROWS:
        raise CalibrationError(f"calibration needs at least {MIN_ROWS} rows, got {len(truth)}; bring more history")
    spread = np.maximum(table[..., PAIRS[0][1]] - table[..., PAIRS[0][0]], SMALLEST_SPREAD)
    columns = []
    for low, high in PAIRS:
        scores = np.maximum(table[..., low] - truth, truth - table[..., high]) / spread
        columns.append(_finite_sample_quantile(scores, 1.0 - 2.0 * QUANTILE_LEVELS[low]))
    return Calibration(np.stack(columns, axis=1).astype(np.float32), len(truth))


def _finite_sample_quantile(scores: npt.NDArray[np.float64], share: float) -> npt.NDArray[np.float64]:
    """The ceil((n + 1) share)-th smallest of n scores by column, [n, H] to [H]; the largest where that exceeds n."""
    count = len(scores)
    rank = min(count, math.ceil((count + 1) * share))
    found: npt.NDArray[np.float64] = np.partition(scores, rank - 1, axis=0)[rank - 1]
    return found

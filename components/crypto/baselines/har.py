"""HAR volatility with seasonality: heterogeneous autoregression of log volatility (Corsi 2009), one fit for all series.

For each horizon h, by ridge regression over all series,

    log(mean |bar return| of the next h bars) = b_h . (1, x, s) + error,

with x the logarithms of realised volatility over a day, a week and a month, short exponentially weighted volatility,
Parkinson range volatility at four scales, and two leverage terms (the day's return and the last bar's absolute return,
each over the week's volatility), and s the hour of day, apart for working days and weekends, and the weekday. Quantiles
of the return over h are exp(b_h . (1, x, s)) times the fitted quantiles of the standardised returns.
"""

from dataclasses import dataclass

import numpy as np

from components.crypto.baselines.shapes import pooled_quantiles, scaled
from components.crypto.dataset import Dataset, Float32Array, Float64Array, IntArray

LOG_VOLATILITIES = (
    "log_realised_24",
    "log_realised_168",
    "log_realised_720",
    "log_volatility_h1",
    "log_volatility_h6",
    "log_range_h1",
    "log_range_h6",
    "log_range_h24",
    "log_range_h168",
)
LEVERAGE_SCALE = "log_realised_168"
HOURS = 24
WEEKDAYS = 7
SATURDAY = 5
RIDGE = 1.0
RETURN_FLOOR = 1e-5
"""Added to the mean absolute return before its logarithm, so that an unchanged price is no infinite outlier."""


@dataclass(frozen=True)
class Har:
    """Coefficients, float64 [P, H], in the order of `har_design`, and standardised quantiles, float64 [H, Q]."""

    coefficients: Float64Array
    shape: Float64Array

    def scale(self, dataset: Dataset, rows: IntArray) -> Float64Array:
        """Forecast scale of the return over every horizon, float64 [n, H]."""
        return np.exp(har_design(dataset, rows) @ self.coefficients)

    def predict(self, dataset: Dataset, rows: IntArray) -> Float32Array:
        """Forecast scale times the standardised quantiles; see `Baseline.predict`."""
        return scaled(self.shape, self.scale(dataset, rows))


def fit_har(dataset: Dataset, rows: IntArray) -> Har:
    """Fit the regression and the standardised quantiles on `rows` of all series together."""
    targets = dataset.targets[rows].astype(np.float64)
    moves = np.abs(np.diff(targets, axis=1, prepend=0.0))
    mean_moves = np.cumsum(moves, axis=1) / np.arange(1, dataset.horizon_bars + 1)
    design = har_design(dataset, rows)
    penalty = RIDGE * np.eye(design.shape[1])
    penalty[0, 0] = 0.0
    solution = np.linalg.solve(design.T @ design + penalty, design.T @ np.log(mean_moves + RETURN_FLOOR))
    coefficients = np.asarray(solution, dtype=np.float64)
    return Har(coefficients, pooled_quantiles(targets / np.exp(design @ coefficients)))


def har_design(dataset: Dataset, rows: IntArray) -> Float64Array:
    """Regressors of `rows`, float64 [n, P]: 1, log volatilities, leverage, hours, weekend hours, weekdays."""
    values = {name: dataset.features[rows, dataset.column(name)].astype(np.float64) for name in har_features()}
    week = np.exp(-values[LEVERAGE_SCALE])
    hour, weekday = values["hour"], values["weekday"]
    hours = (hour[:, None] == np.arange(HOURS)).astype(np.float64)
    return np.concatenate(
        [
            np.ones((len(rows), 1)),
            np.stack([values[name] for name in LOG_VOLATILITIES], axis=1),
            np.stack([values["log_return_24"] * week, np.abs(values["log_return_1"]) * week], axis=1),
            hours,
            hours * (weekday >= SATURDAY)[:, None],
            (weekday[:, None] == np.arange(WEEKDAYS)).astype(np.float64),
        ],
        axis=1,
    )


def har_features() -> tuple[str, ...]:
    """Names of the features that the regression reads."""
    return (*LOG_VOLATILITIES, "log_return_24", "log_return_1", "hour", "weekday")

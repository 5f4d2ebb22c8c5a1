"""GJR-GARCH(1,1) with Student t errors on returns without their hour-of-day pattern, one fit a series.

With d(hour) the root of the hour's share of the mean squared return, u_t = r_t / d(hour_t) follows

    s2_{t+1} = omega + (alpha + gamma [u_t < 0]) u_t^2 + beta s2_t,

estimated by maximum likelihood (`arch`). The variance of the return over h is the sum over i = 1..h of
d(hour_{t+i})^2 E_t[s2_{t+i}], where the expectation goes back to its mean geometrically with alpha + beta + gamma / 2.
Quantiles are its root times the empirical quantiles of the standardised returns of each series and horizon.
"""

from dataclasses import dataclass

import numpy as np

from components.crypto.baselines.port import BaselineError
from components.crypto.baselines.shapes import scaled, series_quantiles
from components.crypto.dataset import Dataset, Float32Array, Float64Array, IntArray

ESTIMATION_BARS = 8760
"""Most recent bars that the parameters are estimated on; older ones only start the filter."""

MIN_ESTIMATION_BARS = 500
PERCENT = 100.0
MAX_PERSISTENCE = 0.999


@dataclass(frozen=True)
class GarchParameters:
    """One series' parameters, on returns in percent; `hourly` is d(hour), [24]."""

    omega: float
    alpha: float
    gamma: float
    beta: float
    hourly: Float64Array

    @property
    def persistence(self) -> float:
        """Share of a variance shock that is left after a bar."""
        return min(self.alpha + self.beta + self.gamma / 2.0, MAX_PERSISTENCE)


@dataclass(frozen=True)
class Garch:
    """Parameters by series and standardised quantiles, float64 [S, H, Q]."""

    parameters: tuple[GarchParameters | None, ...]
    shape: Float64Array

    def predict(self, dataset: Dataset, rows: IntArray) -> Float32Array:
        """Aggregated volatility times the standardised quantiles; see `Baseline.predict`."""
        return scaled(self.shape[dataset.series_index[rows]], _scale(dataset, rows, self.parameters))


def fit_garch(dataset: Dataset, rows: IntArray) -> Garch:
    """Estimate every series' parameters and take the standardised quantiles over `rows`.

    Raises:
        BaselineError: A series has fewer than 500 of the rows.
    """
    series = dataset.series_index[rows]
    parameters = tuple(
        _estimate(dataset, rows[series == number]) if (series == number).any() else None
        for number in range(len(dataset.unique_ids))
    )
    targets = dataset.targets[rows].astype(np.float64)
    shape = series_quantiles(targets / _scale(dataset, rows, parameters), series, len(dataset.unique_ids))
    return Garch(parameters, shape)


def _estimate(dataset: Dataset, rows: IntArray) -> GarchParameters:
    from arch import arch_model

    if len(rows) < MIN_ESTIMATION_BARS:
        name = dataset.unique_ids[dataset.series_index[rows[0]]]
        raise BaselineError(f"GARCH needs {MIN_ESTIMATION_BARS} bars of {name}, got {len(rows)}; bring more history")
    recent = rows[-ESTIMATION_BARS:]
    returns, hour = _returns(dataset, recent), _hour_of_bar(dataset, recent)
    counts = np.bincount(hour, minlength=24)
    squares = np.bincount(hour, weights=returns**2, minlength=24) / np.maximum(counts, 1)
    hourly = np.sqrt(np.where(squares > 0.0, squares, (returns**2).mean()) / (returns**2).mean())
    model = arch_model(returns / hourly[hour], mean="Zero", vol="GARCH", p=1, o=1, q=1, dist="t", rescale=False)
    found = model.fit(disp="off", show_warning=False, update_freq=0).params
    omega, alpha, gamma, beta = (float(found[name]) for name in ("omega", "alpha[1]", "gamma[1]", "beta[1]"))
    return GarchParameters(omega, alpha, gamma, beta, hourly)


def _scale(dataset: Dataset, rows: IntArray, parameters: tuple[GarchParameters | None, ...]) -> Float64Array:
    scale = np.empty((len(rows), dataset.horizon_bars))
    series = dataset.series_index[rows]
    for number in np.unique(series):
        fitted = parameters[number]
        if fitted is None:
            raise BaselineError(f"GARCH was not fitted on {dataset.unique_ids[number]}; fit it with that series")
        chosen = np.flatnonzero(series == number)
        scale[chosen] = _series_scale(dataset, rows[chosen], fitted)
    return scale


def _series_scale(dataset: Dataset, rows: IntArray, fitted: GarchParameters) -> Float64Array:
    first = int(np.searchsorted(dataset.series_index, dataset.series_index[rows[0]]))
    history = np.arange(first, int(rows.max()) + 1)
    following = _next_variance(_returns(dataset, history) / fitted.hourly[_hour_of_bar(dataset, history)], fitted)
    following = following[rows - first]
    mean = fitted.omega / (1.0 - fitted.persistence)
    steps = np.arange(dataset.horizon_bars)
    expected = mean + (following - mean)[:, None] * fitted.persistence**steps
    hours = (_hour_of_bar(dataset, rows)[:, None] + 1 + steps) % 24
    aggregated = np.cumsum(expected * fitted.hourly[hours] ** 2, axis=1)
    return np.asarray(np.sqrt(aggregated) / PERCENT, dtype=np.float64)


def _next_variance(returns: Float64Array, fitted: GarchParameters) -> Float64Array:
    """The filter's variance of the bar after each return, from the mean variance on."""
    from scipy.signal import lfilter

    drive = fitted.omega + (fitted.alpha + fitted.gamma * (returns < 0.0)) * returns**2
    start = np.array([fitted.beta * fitted.omega / (1.0 - fitted.persistence)])
    return np.asarray(lfilter([1.0], [1.0, -fitted.beta], drive, zi=start)[0], dtype=np.float64)


def _returns(dataset: Dataset, rows: IntArray) -> Float64Array:
    returns = dataset.features[rows, dataset.column("log_return_1")]
    return np.asarray(returns.astype(np.float64) * PERCENT, dtype=np.float64)


def _hour_of_bar(dataset: Dataset, rows: IntArray) -> IntArray:
    return np.asarray(dataset.ds[rows].astype("datetime64[h]").astype(np.int64) % 24, dtype=np.int64)

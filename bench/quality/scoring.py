"""The score of the benchmark: pinball relative to unconditional quantiles by coin and horizon, coverage and width."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.quality.slices import COINS, HORIZONS
from components.crypto.dataset import Dataset, IntArray
from components.crypto.metrics import covered, interval_of, pinball_losses
from components.crypto.series import Series
from runtime.bootstrap import block_bootstrap_means, percentile_interval, time_blocks

FloatArray = npt.NDArray[np.float64]

BLOCK_SECONDS = 3 * 86_400
RESAMPLES = 1000
POSITIONS = [horizon - 1 for horizon in HORIZONS]


@dataclass(frozen=True)
class QualityScore:
    """One entrant: `cells` [coin][horizon] relative pinball, their mean with a 95 % interval, coverage, width.

    Coverage and width are by horizon over the four coins; `against_har` is the interval of the mean's difference.
    """

    cells: list[list[float]]
    mean: float
    interval: tuple[float, float]
    against_har: tuple[float, float] | None
    coverage: dict[int, list[float]]
    width: dict[int, list[float]]


def scored_rows(dataset: Dataset, rows: IntArray) -> IntArray:
    """The rows of the coins that count."""
    symbols = [Series.parse(unique_id).symbol for unique_id in dataset.unique_ids]
    chosen = np.isin(dataset.series_index[rows], [symbols.index(coin) for coin in COINS])
    return rows[chosen]


def score_all(
    dataset: Dataset, rows: IntArray, forecasts: Mapping[str, npt.NDArray[np.float32]]
) -> dict[str, QualityScore]:
    """Score forecasts [n, 3, Q] at `HORIZONS` for the scored `rows`; "unconditional" must be among them."""
    targets = dataset.targets[rows][:, POSITIONS].astype(np.float64)
    symbols = np.array([Series.parse(unique_id).symbol for unique_id in dataset.unique_ids])[dataset.series_index[rows]]
    member = (symbols[:, None] == np.array(COINS)).astype(np.float64)
    blocks = time_blocks(dataset.ds[rows], BLOCK_SECONDS)

    def means(table: npt.NDArray[np.float32]) -> tuple[FloatArray, FloatArray]:
        losses = pinball_losses(targets, table).mean(axis=2)
        columns = (member[:, :, None] * losses[:, None, :]).reshape(len(rows), -1)
        return columns.mean(axis=0), block_bootstrap_means(columns, blocks, resamples=RESAMPLES)

    base, base_samples = means(forecasts["unconditional"])
    found = {name: means(table) for name, table in forecasts.items()}
    samples = {name: (sample / base_samples).mean(axis=1) for name, (_, sample) in found.items()}
    scores = {}
    for name, (own, _) in found.items():
        cells = (own / base).reshape(len(COINS), len(HORIZONS))
        gap = samples[name] - samples["har"] if "har" in samples and name != "har" else None
        scores[name] = QualityScore(
            cells=cells.tolist(),
            mean=float(cells.mean()),
            interval=_interval(samples[name]),
            against_har=None if gap is None else _interval(gap),
            coverage={p: covered(targets, forecasts[name], p).mean(axis=0).tolist() for p in (80, 95)},
            width={p: _width(forecasts[name], p) for p in (80, 95)},
        )
    return scores


def _interval(samples: FloatArray) -> tuple[float, float]:
    low, high = percentile_interval(samples[:, None])[0]
    return float(low), float(high)


def _width(table: npt.NDArray[np.float32], percent: int) -> list[float]:
    low, high = interval_of(table, percent)
    return [float(value) for value in (high - low).mean(axis=0)]

"""Where training starts: a HAR-like forecast, fitted in closed form and written into the network's head."""

from dataclasses import dataclass

import numpy as np
import torch

from components.crypto.dataset import IntArray
from components.crypto.training.samples import Samples
from feature_repo.crypto import QUANTILE_LEVELS

RIDGE = 10.0
"""Penalty on standardised coefficients, in rows."""

SMALLEST_GAP = 1e-3
"""Between neighbouring standardised quantiles."""


@dataclass(frozen=True)
class Start:
    """Linear path weight [H, D] and bias [H], standardised quantiles [H, Q]."""

    weight: torch.Tensor
    bias: torch.Tensor
    quantiles: torch.Tensor


def fit_start(samples: Samples, rows: IntArray, mask: torch.Tensor) -> Start:
    """Ridge regression of log mean absolute bar return on the inputs, then quantiles of the returns it standardises.

    Args:
        samples: Every row.
        rows: The rows to fit on, all with every target.
        mask: One for the inputs that the regression reads and zero for the others, [D].
    """
    chosen = torch.from_numpy(rows)
    inputs = (samples.inputs[chosen] * mask).double()
    design = torch.cat((inputs, torch.ones(len(inputs), 1, dtype=torch.float64)), dim=1)
    penalty = RIDGE * torch.eye(design.shape[1], dtype=torch.float64)
    penalty[-1, -1] = 0.0
    moves = samples.log_moves[chosen].double()
    solution = torch.linalg.solve(design.T @ design + penalty, design.T @ moves)
    horizons = torch.arange(1, moves.shape[1] + 1, dtype=torch.float64)
    scale = torch.exp(design @ solution) * torch.sqrt(horizons)
    standardised = (samples.targets[chosen].double() / scale).numpy()
    shape = np.quantile(standardised, QUANTILE_LEVELS, axis=0).T
    gaps = np.maximum(np.diff(shape, axis=1), SMALLEST_GAP)
    median = QUANTILE_LEVELS.index(0.5)
    total = np.concatenate([np.zeros((len(shape), 1)), gaps.cumsum(axis=1)], axis=1)
    ordered = total - total[:, median, None] + shape[:, median, None]
    return Start(solution[:-1].T.float(), solution[-1].float(), torch.from_numpy(ordered).float())

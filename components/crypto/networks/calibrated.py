"""Calibration inside the graph: the torch twin of `components.crypto.calibration.Calibration.apply`."""

import torch
from torch import nn

from components.crypto.calibration import MEDIAN, PAIRS, Calibration


class Calibrated(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """A model whose quantile pairs are widened or narrowed by fixed multiples of its interquartile range."""

    def __init__(self, model: nn.Module, calibration: Calibration) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("corrections", torch.from_numpy(calibration.corrections))

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Window [N, L, F] to calibrated quantiles [N, H, Q], non-decreasing along Q."""
        table = self.model(window)
        low, high = PAIRS[0]
        spread = table[..., high] - table[..., low]
        below, above = [table[..., MEDIAN]], [table[..., MEDIAN]]
        for number, (low, high) in enumerate(PAIRS):
            shift = self.corrections[:, number] * spread
            below.append(torch.minimum(below[-1], table[..., low] - shift))
            above.append(torch.maximum(above[-1], table[..., high] + shift))
        return torch.stack((*reversed(below), *above[1:]), dim=-1)

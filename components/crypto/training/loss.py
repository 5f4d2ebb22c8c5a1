"""What is minimised: pinball loss in units of the reference volatility, and, beside it, an error of the log scale."""

import torch
from torch import nn

from components.crypto.networks.head import QuantileHead
from components.crypto.training.settings import TrainingSettings
from feature_repo.crypto import QUANTILE_LEVELS


class TrainingLoss(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Losses of quantiles [n, L, H, Q] against targets [n, L, H], averaged over the rows that `counts` [n, L] marks.

    The volatility term is the squared error of the log width of the forecast, less that of the fitted start's shape,
    against log mean absolute bar return: a target far less noisy than one return. Returns over h bars, and so their
    losses, grow like sqrt(h); weights h^-(1/2 + power) undo that.
    """

    def __init__(self, head: QuantileHead, settings: TrainingSettings) -> None:
        super().__init__()
        horizons = torch.arange(1, head.horizon_bars + 1, dtype=torch.float32)
        weights = horizons ** -(0.5 + settings.horizon_power)
        self.volatility_weight = settings.volatility_weight
        self.register_buffer("levels", torch.tensor(QUANTILE_LEVELS))
        self.register_buffer("weights", weights / weights.mean())
        self.register_buffer("even", horizons**-0.5)
        self.register_buffer("log_width", log_width(head.start_shape()))

    def forward(
        self,
        quantiles: torch.Tensor,
        targets: torch.Tensor,
        log_moves: torch.Tensor,
        counts: torch.Tensor,
        horizons: torch.Tensor,
    ) -> torch.Tensor:
        """The loss to descend; everything but `counts` holds the K horizons at the positions `horizons` only."""
        pinball = _mean(self._pinball(quantiles, targets) * self.weights[horizons], counts)
        if self.volatility_weight == 0.0:
            return pinball
        error = log_width(quantiles) - self.log_width[horizons] - log_moves
        return pinball + self.volatility_weight * _mean(error.square(), counts)

    def pinball(
        self, quantiles: torch.Tensor, targets: torch.Tensor, counts: torch.Tensor, horizons: torch.Tensor
    ) -> torch.Tensor:
        """Pinball loss divided by sqrt(h), every horizon alike; what early stopping looks at."""
        return _mean(self._pinball(quantiles, targets) * self.even[horizons], counts)

    def _pinball(self, quantiles: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        error = targets[..., None] - quantiles
        return torch.maximum(self.levels * error, (self.levels - 1.0) * error).mean(dim=-1)


def log_width(quantiles: torch.Tensor) -> torch.Tensor:
    """Logarithm of the distance between the outermost quantiles, [..., H]."""
    return torch.log(quantiles[..., -1] - quantiles[..., 0])


def _mean(losses: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    return (losses.mean(dim=-1) * counts).sum() / counts.sum().clamp_min(1)

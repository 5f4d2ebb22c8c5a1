"""From a hidden state to quantiles that cannot cross.

    log s_h = r + log(h) / 2 + a_h . x + B tanh(u_h / B)
    median  = s_h (m_h + b tanh(v_h))
    gap_i   = s_h g_{h,i} exp(b tanh(w_{h,i})),     g > 0
    q_k     = median + sum of the gaps between it and the median, negative below

with r the log reference volatility and x the inputs of the last bar. a, m and g are fitted before the network is
trained (ridge regression of log mean absolute bar returns on the regressors of HAR, empirical quantiles of the
standardised returns) and stay as they are; u, v and w start at zero: training begins at a HAR forecast and learns
bounded corrections to it. These are functions of the
horizon, linear in log h between a few knots (of a gap's factor, not of its logarithm).
"""

import torch
from torch import nn

from components.crypto.networks.settings import NetworkSettings
from feature_repo.crypto import QUANTILE_LEVELS

MEDIAN = QUANTILE_LEVELS.index(0.5)
GAPS = len(QUANTILE_LEVELS) - 1


class QuantileHead(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """States [..., W] and inputs [..., D] and [..., E] to quantiles over the reference volatility, [..., H, Q]."""

    def __init__(
        self, settings: NetworkSettings, inputs: int, corrected_by: int, hidden: int, horizon_bars: int
    ) -> None:
        super().__init__()
        self.scale_bound = settings.scale_bound
        self.shape_bound = settings.shape_bound
        self.horizon_bars = horizon_bars
        basis = horizon_basis(horizon_bars, settings.knots)
        self.register_buffer("basis", basis)
        self.register_buffer("half_log_horizon", 0.5 * torch.log(torch.arange(1, horizon_bars + 1).float()))
        self.register_buffer("sums", gap_sums())
        self.skip = nn.Linear(inputs, horizon_bars)
        self.median = nn.Parameter(torch.zeros(horizon_bars))
        self.log_gaps = nn.Parameter(torch.zeros(horizon_bars, GAPS))
        self.corrections = nn.Linear(hidden, (2 + GAPS) * basis.shape[0])
        self.shape = nn.Linear(corrected_by, (1 + GAPS) * basis.shape[0], bias=False)
        for parameter in (*self.skip.parameters(), *self.corrections.parameters(), *self.shape.parameters()):
            nn.init.zeros_(parameter)
        for parameter in (*self.skip.parameters(), self.median, self.log_gaps):
            parameter.requires_grad_(False)

    def start_at(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        """Set the linear path a: weight [H, D] and bias [H] of log s_h - r - log(h) / 2."""
        with torch.no_grad():
            self.skip.weight.copy_(weight)
            self.skip.bias.copy_(bias)

    def shape_at(self, quantiles: torch.Tensor) -> None:
        """Set m and g from quantiles of standardised returns, [H, Q], strictly increasing along Q."""
        with torch.no_grad():
            self.median.copy_(quantiles[:, MEDIAN])
            self.log_gaps.copy_(torch.log(torch.diff(quantiles, dim=1)))

    def start_shape(self) -> torch.Tensor:
        """Quantiles of unit scale without a correction, times sqrt(h), [H, Q]."""
        with torch.no_grad():
            return self._ordered(self.median, torch.exp(self.log_gaps)) * torch.exp(self.half_log_horizon)[:, None]

    def start(self, inputs: torch.Tensor) -> torch.Tensor:
        """Quantiles of inputs [..., D] without a correction, over the reference volatility, [..., H, Q]."""
        scale = torch.exp(self.skip(inputs) + self.half_log_horizon)
        return scale[..., None] * self._ordered(self.median, torch.exp(self.log_gaps))

    def forward(
        self, hidden: torch.Tensor, inputs: torch.Tensor, current: torch.Tensor, horizons: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Quantiles divided by the reference volatility, non-decreasing along Q.

        Args:
            hidden: [..., W].
            inputs: [..., D], what the start is linear in.
            current: [..., E], what the shape may follow.
            horizons: Positions of the horizons to forecast, [K]; all by default.

        Returns:
            [..., H, Q], or [..., K, Q].
        """
        at = slice(None) if horizons is None else horizons
        basis = self.basis[:, at]
        raw = self.corrections(hidden).unflatten(-1, (2 + GAPS, -1))
        change = self.scale_bound * torch.tanh(raw[..., 0, :] / self.scale_bound) @ basis
        bounded = self.shape_bound * torch.tanh(raw[..., 1:, :] + self.shape(current).unflatten(-1, (1 + GAPS, -1)))
        shift = bounded[..., 0, :] @ basis
        factors = torch.exp(bounded[..., 1:, :]) @ basis
        linear = nn.functional.linear(inputs, self.skip.weight[at], self.skip.bias[at])
        scale = torch.exp(linear + self.half_log_horizon[at] + change)
        gaps = factors.transpose(-1, -2) * torch.exp(self.log_gaps[at])
        return scale[..., None] * self._ordered(self.median[at] + shift, gaps)

    def _ordered(self, median: torch.Tensor, gaps: torch.Tensor) -> torch.Tensor:
        return median[..., None] + gaps @ self.sums


def gap_sums() -> torch.Tensor:
    """Which gaps, with which sign, lead from the median to each quantile, [Q - 1, Q]."""
    sums = torch.zeros(GAPS, GAPS + 1)
    for level in range(GAPS + 1):
        sums[level:MEDIAN, level] = -1.0
        sums[MEDIAN:level, level] = 1.0
    return sums


def horizon_basis(horizon_bars: int, knots: int) -> torch.Tensor:
    """Hat functions on log h, [K, H], K = min(knots, H); each column sums to one."""
    count = min(knots, horizon_bars)
    if count == 1:
        return torch.ones(1, horizon_bars)
    position = torch.log(torch.arange(1, horizon_bars + 1).double())
    at = torch.linspace(0.0, float(position[-1]), count, dtype=torch.float64)
    hats = 1.0 - (position[None, :] - at[:, None]).abs() / (at[1] - at[0])
    return hats.clamp_min(0.0).float()

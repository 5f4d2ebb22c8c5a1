"""One network from features to quantiles, and several of them averaged and calibrated as one module."""

from collections.abc import Sequence

import torch
from torch import nn

from components.crypto.networks.head import QuantileHead
from components.crypto.networks.inputs import InputEncoder
from components.crypto.networks.lstm import LstmBody
from components.crypto.networks.settings import NetworkSettings
from components.crypto.networks.transformer import TransformerBody


def make_body(settings: NetworkSettings, inputs: int) -> LstmBody | TransformerBody:
    """The body that the settings name; both have one signature."""
    return LstmBody(settings, inputs) if settings.network == "lstm" else TransformerBody(settings, inputs)


class Forecaster(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Encoder, body over the window, a path beside it that sees the last bar only, and the quantile head."""

    def __init__(self, settings: NetworkSettings, feature_names: Sequence[str], horizon_bars: int) -> None:
        super().__init__()
        self.settings = settings
        self.encoder = InputEncoder(feature_names)
        self.drop_inputs = nn.Dropout(settings.input_dropout)
        self.body = make_body(settings, self.encoder.fast_width)
        self.beside = nn.Linear(self.encoder.width, settings.width)
        self.mix = nn.Sequential(
            nn.Dropout(settings.dropout),
            nn.Linear(2 * settings.width, settings.width),
            nn.GELU(),
            nn.Dropout(settings.dropout),
        )
        self.head = QuantileHead(settings, self.encoder.width, settings.width, horizon_bars)

    def from_inputs(
        self, inputs: torch.Tensor, skip_bars: int = 0, horizons: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Quantiles over the reference volatility at every bar of encoded stretches.

        Args:
            inputs: [N, L, D], what the encoder makes of features.
            skip_bars: Bars at the start that are read but not forecast from.
            horizons: Positions of the horizons to forecast, [K]; all by default.

        Returns:
            [N, L - skip_bars, H or K, Q].
        """
        dropped = self.drop_inputs(inputs)
        states = self.body(dropped.index_select(-1, self.encoder.fast_columns))[:, skip_bars:]
        beside = nn.functional.gelu(self.beside(dropped[:, skip_bars:]))
        hidden = self.mix(torch.cat((states, beside), dim=-1))
        quantiles: torch.Tensor = self.head(hidden, inputs[:, skip_bars:], horizons)
        return quantiles

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Quantiles [N, H, Q] of cumulative log return after the last bar of the window [N, L, F]."""
        inputs, reference = self.encoder(window)
        quantiles = self.from_inputs(inputs, skip_bars=window.shape[1] - 1)[:, 0]
        return quantiles * torch.exp(reference[:, -1])[:, None, None]


class Ensemble(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Members averaged quantile by quantile, which keeps them ordered; window [N, L, F] to quantiles [N, H, Q]."""

    def __init__(self, members: Sequence[Forecaster]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """The members' mean."""
        return torch.stack([member(window) for member in self.members]).mean(dim=0)

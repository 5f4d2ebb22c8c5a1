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
        self.drop_states = nn.Dropout(settings.body_dropout)
        self.beside = nn.Sequential(
            nn.Linear(self.encoder.correction_width, settings.beside_width),
            nn.GELU(),
            nn.Dropout(settings.dropout),
            nn.Linear(settings.beside_width, settings.width),
            nn.GELU(),
        )
        self.mix = nn.Sequential(
            nn.Dropout(settings.dropout),
            nn.Linear(settings.body_width + settings.width, settings.width),
            nn.GELU(),
            nn.Dropout(settings.dropout),
        )
        widths = (self.encoder.width, self.encoder.correction_width, settings.width)
        self.head = QuantileHead(settings, *widths, horizon_bars)

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
        columns = self.encoder.correction_columns
        beside = self.beside(dropped[:, skip_bars:].index_select(-1, columns))
        hidden = self.mix(torch.cat((self.drop_states(states), beside), dim=-1))
        last = inputs[:, skip_bars:]
        quantiles: torch.Tensor = self.head(hidden, last, last.index_select(-1, columns), horizons)
        return quantiles

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """Quantiles [N, H, Q] of cumulative log return after the last bar of the window [N, L, F].

        A share of the forecast, `start_share`, is that of the fitted start: what was learned in one year holds in the
        next in part.
        """
        inputs, reference = self.encoder(window)
        learned = self.from_inputs(inputs, skip_bars=window.shape[1] - 1)[:, 0]
        share = self.settings.start_share
        quantiles = (1.0 - share) * learned + share * self.head.start(inputs[:, -1])
        return quantiles * torch.exp(reference[:, -1])[:, None, None]


class Ensemble(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Members averaged quantile by quantile, which keeps them ordered; window [N, L, F] to quantiles [N, H, Q]."""

    def __init__(self, members: Sequence[Forecaster]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """The members' mean."""
        return torch.stack([member(window) for member in self.members]).mean(dim=0)

"""The attention body: pre-norm Transformer layers in which a bar attends to itself and the bars of a band before it.

Position enters only as distance, through a learned bias a head, so that a bar's state is the same function of the bars
it reaches wherever it stands: training on long stretches gives a state at every bar, and serving, which sees only the
window, computes the same one for the last.
"""

import torch
from torch import nn

from components.crypto.networks.settings import NetworkSettings

FAR = -1e4
"""Attention score of a bar outside the band; `exp` of it is zero in half precision too."""


class BandedAttention(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Causal self-attention over the last `band_bars` bars, [N, L, W] to [N, L, W]."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.heads = settings.heads
        self.band_bars = settings.band_bars
        self.scale = (settings.body_width // settings.heads) ** -0.5
        self.project = nn.Linear(settings.body_width, 3 * settings.body_width)
        self.out = nn.Linear(settings.body_width, settings.body_width)
        self.distance_bias = nn.Parameter(torch.zeros(settings.heads, settings.band_bars))

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Attend; the mask depends on the number of bars only."""
        bars = states.shape[1]
        at = torch.arange(bars, device=states.device)
        distance = at[:, None] - at[None, :]
        inside = (distance >= 0) & (distance < self.band_bars)
        bias = self.distance_bias[:, distance.clamp(0, self.band_bars - 1)].masked_fill(~inside, FAR)
        query, key, value = self.project(states).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(query @ key.transpose(-1, -2) * self.scale + bias, dim=-1)
        return self.out((weights @ value).transpose(1, 2).flatten(2))


class TransformerLayer(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Attention and a feed-forward part of twice the width, each normalised before and added after."""

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(settings.body_width)
        self.attention = BandedAttention(settings)
        self.feed_norm = nn.LayerNorm(settings.body_width)
        self.feed = nn.Sequential(
            nn.Linear(settings.body_width, 2 * settings.body_width),
            nn.GELU(),
            nn.Dropout(settings.dropout),
            nn.Linear(2 * settings.body_width, settings.body_width),
        )
        self.dropout = nn.Dropout(settings.dropout)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """One layer, [N, L, W] to [N, L, W]."""
        states = states + self.dropout(self.attention(self.attention_norm(states)))
        return states + self.dropout(self.feed(self.feed_norm(states)))


class TransformerBody(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Inputs [N, L, D] to states [N, L, W]; a state depends on at most `reach_bars` bars up to its own."""

    def __init__(self, settings: NetworkSettings, inputs: int) -> None:
        super().__init__()
        self.project = nn.Linear(inputs, settings.body_width)
        self.layers = nn.ModuleList(TransformerLayer(settings) for _ in range(settings.layers))
        self.norm = nn.LayerNorm(settings.body_width)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """States of every bar."""
        states = self.project(inputs)
        for layer in self.layers:
            states = layer(states)
        return self.norm(states)

"""The recurrent body: an LSTM that reads the window bar by bar."""

import torch
from torch import nn

from components.crypto.networks.settings import NetworkSettings


class LstmBody(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Inputs [N, L, D] to states [N, L, W]; the state of a bar depends on that bar and earlier ones only."""

    def __init__(self, settings: NetworkSettings, inputs: int) -> None:
        super().__init__()
        between = settings.dropout if settings.layers > 1 else 0.0
        self.project = nn.Linear(inputs, settings.body_width)
        self.lstm = nn.LSTM(
            settings.body_width, settings.body_width, settings.layers, batch_first=True, dropout=between
        )

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """States of every bar."""
        states: torch.Tensor = self.lstm(self.project(inputs))[0]
        return states

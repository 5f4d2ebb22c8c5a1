"""Raw features to network inputs, inside the graph: volatilities and moves are first made relative to the week's.

So one network serves coins and years of any volatility. The reference is `log_range_h168`; log volatilities become
differences from it, price moves multiples of it. Then each column is standardised with statistics of the training
slice and clipped; hour (apart for working days and weekends) and weekday become indicators.
"""

from collections.abc import Sequence

import torch
from torch import nn

from components.crypto.baselines.har import har_features

REFERENCE = "log_range_h168"
LOG_VOLATILITY_PREFIXES = ("log_volatility_", "log_range_", "log_realised_", "market_log_volatility_")
MOVE_PREFIXES = ("log_return_", "market_log_return_", "macd", "sma_", "ema_", "bollinger_width_", "atr_")

FAST = (
    "log_return_1",
    "log_volatility_h1",
    "log_volatility_h6",
    "log_range_h1",
    "log_range_h6",
    "log_realised_24",
    "volume_z_168",
    "bollinger_position_20",
    "market_log_return_1",
    "same_hour_activity_21d",
)
"""What changes from bar to bar: the columns that a body reads along the window, beside hour and weekday."""

START = har_features()
"""The columns that the fitted start is linear in, with hour and weekday as indicators: those that HAR reads."""

SLOW = (
    REFERENCE,
    "log_volatility_h336",
    "log_volatility_h720",
    "log_range_h336",
    "log_range_h720",
    "log_realised_720",
)
"""What hardly changes within a month: corrections do not see it, whom it would tell when it is, not what happens."""

HOURS = 24
WEEKDAYS = 7
SATURDAY = 5
CLIP = 3.0
SMALLEST_DEVIATION = 1e-4


class InputEncoder(nn.Module):  # type: ignore[misc]  # torch is untyped here
    """Features [..., F] in `feature_names` order to inputs [..., D] and the log reference volatility [...]."""

    def __init__(self, feature_names: Sequence[str]) -> None:
        super().__init__()
        for name in (REFERENCE, "hour", "weekday"):
            if name not in feature_names:
                raise ValueError(f"the networks need the feature {name!r}; got {', '.join(feature_names)}")
        numeric = [n for n in feature_names if n not in ("hour", "weekday")]
        self.reference_column = feature_names.index(REFERENCE)
        self.hour_column = feature_names.index("hour")
        self.weekday_column = feature_names.index("weekday")
        relative = [float(n.startswith(LOG_VOLATILITY_PREFIXES) and n != REFERENCE) for n in numeric]
        moves = [float(n.startswith(MOVE_PREFIXES)) for n in numeric]
        self.register_buffer("columns", torch.tensor([feature_names.index(n) for n in numeric]))
        self.register_buffer("relative", torch.tensor(relative))
        self.register_buffer("moves", torch.tensor(moves))
        self.register_buffer("mean", torch.zeros(len(numeric)))
        self.register_buffer("deviation", torch.ones(len(numeric)))
        self.register_buffer("hours", torch.arange(2 * HOURS, dtype=torch.float32))
        self.register_buffer("weekdays", torch.arange(WEEKDAYS, dtype=torch.float32))
        self.width = len(numeric) + 2 * HOURS + WEEKDAYS
        fast = [position for position, name in enumerate(numeric) if name in FAST]
        self.register_buffer("fast_columns", torch.tensor([*fast, *range(len(numeric), self.width)]))
        self.fast_width = len(self.fast_columns)
        ahead = [position for position, name in enumerate(numeric) if name not in SLOW]
        self.register_buffer("correction_columns", torch.tensor([*ahead, *range(len(numeric), self.width)]))
        self.correction_width = len(self.correction_columns)
        start = [float(name in START) for name in numeric] + [1.0] * (self.width - len(numeric))
        self.register_buffer("start_mask", torch.tensor(start))

    def fit(self, features: torch.Tensor) -> None:
        """Take mean and deviation of the columns from training rows [n, F]."""
        values, _ = self._relative(features)
        self.mean.copy_(values.mean(dim=0))
        self.deviation.copy_(values.std(dim=0).clamp_min(SMALLEST_DEVIATION))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode features [..., F]; returns inputs [..., D] and the log reference [...]."""
        values, reference = self._relative(features)
        scaled = ((values - self.mean) / self.deviation).clamp(-CLIP, CLIP)
        weekday = features[..., self.weekday_column, None]
        hour = features[..., self.hour_column, None] + HOURS * (weekday >= SATURDAY).float()
        indicators = ((hour == self.hours).float(), (weekday == self.weekdays).float())
        return torch.cat((scaled, *indicators), dim=-1), reference

    def _relative(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        reference = features[..., self.reference_column]
        values = features.index_select(-1, self.columns)
        values = values - self.relative * reference[..., None]
        return values * torch.exp(-self.moves * reference[..., None]), reference

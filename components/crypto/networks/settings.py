"""What a network is made with: plain numbers, fit for a candidate's description and a checkpoint's key."""

from dataclasses import dataclass
from typing import Literal

NetworkName = Literal["lstm", "transformer"]

NETWORK_NAMES: tuple[NetworkName, ...] = ("lstm", "transformer")


class NetworkSettingsError(ValueError):
    """The numbers do not describe a network."""


@dataclass(frozen=True)
class NetworkSettings:
    """Size and regularisation of one member network.

    Attributes:
        network: Which body reads the window.
        window_bars: L, bars of features that the model sees when it serves.
        width: Units of what the body and the path beside it are mixed into.
        beside_width: Hidden units of that path, which sees every input of the last bar.
        body_width: Units of the body; few, since what the window adds to the features is little and easily over-fitted.
        body_dropout: Share of the body's states dropped in training.
        layers: LSTM or attention layers.
        heads: Attention heads; the LSTM has none and ignores it.
        band_bars: Bars that one attention layer looks back over, the bar's own included; the LSTM ignores it.
        dropout: Share of activations dropped in training.
        input_dropout: Share of inputs dropped in training.
        knots: Points on the horizon axis between which corrections are interpolated.
        scale_bound: Largest correction of the log scale.
        start_share: Share of the served forecast that is the fitted start's, without any correction.
        shape_bound: Largest shift of the median in fitted spreads, and of the log of a quantile gap.
    """

    network: NetworkName
    window_bars: int = 48
    width: int = 96
    beside_width: int = 192
    body_width: int = 16
    body_dropout: float = 0.6
    layers: int = 1
    heads: int = 4
    band_bars: int = 48
    dropout: float = 0.3
    input_dropout: float = 0.0
    knots: int = 6
    scale_bound: float = 1.0
    shape_bound: float = 0.5
    start_share: float = 0.5

    def __post_init__(self) -> None:
        if self.network not in NETWORK_NAMES:
            raise NetworkSettingsError(f"no network {self.network!r}; choose one of {', '.join(NETWORK_NAMES)}")
        for name in ("window_bars", "width", "beside_width", "body_width", "layers", "heads", "band_bars", "knots"):
            if getattr(self, name) < 1:
                raise NetworkSettingsError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("dropout", "body_dropout", "input_dropout", "start_share"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise NetworkSettingsError(f"{name} must be at least 0 and below 1, got {getattr(self, name)}")
        if self.network == "transformer":
            self._check_attention()

    def _check_attention(self) -> None:
        if self.body_width % self.heads:
            raise NetworkSettingsError(f"body_width {self.body_width} must be a multiple of heads {self.heads}")
        if self.window_bars < self.reach_bars:
            raise NetworkSettingsError(
                f"{self.layers} layers over {self.band_bars} bars reach back {self.reach_bars} bars, more than "
                f"window_bars {self.window_bars}: training would see bars that serving does not"
            )

    @property
    def reach_bars(self) -> int:
        """Bars that the last output of the attention layers depends on, its own bar included."""
        return self.layers * (self.band_bars - 1) + 1

"""How a candidate is trained: one frozen record a network and profile, all of it part of the checkpoint's key."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from components.crypto.candidate import Parameter
from components.crypto.networks.settings import NETWORK_NAMES, NetworkName, NetworkSettings

Profile = Literal["quick", "full"]

PROFILES: tuple[Profile, ...] = ("quick", "full")


class TrainingError(ValueError):
    """What was asked for cannot be trained."""


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides what comes out, beside the data and the code.

    Attributes:
        network: The member networks.
        members: Networks that are trained from different seeds and averaged in one graph.
        max_epochs: Longest training of a member, and the length of its learning-rate schedule.
        stop_tolerance: Share by which a loss on the stop slice may exceed the best for its weights to be kept.
        patience_epochs: Epochs whose weights are not kept after which a member stops.
        chunk_bars: Bars of a training stretch that are forecast from.
        burn_in_bars: Bars before them that are only read.
        batch_chunks: Stretches a step.
        horizons_per_step: Horizons, drawn anew, whose loss a step descends; forecasts of neighbouring horizons are
            nearly the same function, and the head is what a step spends most on.
        learning_rate: Peak rate of AdamW for the corrections.
        weight_decay: On the weights of the corrections.
        average_decay: Decay a step of the averaged weights, which are what is validated and kept.
        volatility_weight: Weight of the squared error of log scale against log mean absolute bar return.
        horizon_power: The loss at horizon h has weight h^-power.
        seed: First member's seed; the others count on from it.
    """

    network: NetworkSettings
    members: int = 1
    max_epochs: int = 6
    patience_epochs: int = 3
    stop_tolerance: float = 0.01
    chunk_bars: int = 96
    burn_in_bars: int = 24
    batch_chunks: int = 16
    horizons_per_step: int = 6
    learning_rate: float = 1e-3
    weight_decay: float = 0.1
    average_decay: float = 0.99
    volatility_weight: float = 0.1
    horizon_power: float = 0.5
    seed: int = 0

    def parameters(self) -> dict[str, Parameter]:
        """Every number in one flat record, for a candidate's description."""
        values: Mapping[str, Parameter] = {k: v for k, v in asdict(self).items() if k != "network"}
        return {**asdict(self.network), **values}


_QUICK: dict[NetworkName, TrainingSettings] = {
    "lstm": TrainingSettings(NetworkSettings("lstm")),
    "transformer": TrainingSettings(NetworkSettings("transformer"), burn_in_bars=47),
}

_FULL: dict[NetworkName, TrainingSettings] = {
    name: replace(quick, members=3, max_epochs=8) for name, quick in _QUICK.items()
}


def training_settings(network: str, profile: str = "quick", seed: int = 0) -> TrainingSettings:
    """The settings of a network and profile.

    Raises:
        TrainingError: There is no such network or profile; names those that there are.
    """
    if network not in NETWORK_NAMES:
        raise TrainingError(f"no network {network!r}; choose one of {', '.join(NETWORK_NAMES)}")
    if profile not in PROFILES:
        raise TrainingError(f"no training profile {profile!r}; choose one of {', '.join(PROFILES)}")
    table = _QUICK if profile == "quick" else _FULL
    return replace(table[network], seed=seed)

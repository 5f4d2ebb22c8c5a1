"""The forecasting networks; importing this imports torch."""

from components.crypto.networks.calibrated import Calibrated
from components.crypto.networks.forecaster import Ensemble, Forecaster
from components.crypto.networks.settings import (
    NETWORK_NAMES,
    NetworkName,
    NetworkSettings,
    NetworkSettingsError,
)

__all__ = [
    "NETWORK_NAMES",
    "Calibrated",
    "Ensemble",
    "Forecaster",
    "NetworkName",
    "NetworkSettings",
    "NetworkSettingsError",
]

"""What capabilities ask: the gateway's services have it, and the worker builds it for itself."""

from collections.abc import Mapping
from typing import Protocol

from brain.crypto.predictor import CryptoPredictor
from brain.fraud.desk import FraudDesk
from brain.settings import BrainSettings


class Parts(Protocol):
    """Whom handlers ask; `brain.services.Services` is such."""

    @property
    def settings(self) -> BrainSettings:
        """Limits of forecasts, among the rest."""
        ...

    @property
    def predictors(self) -> Mapping[str, CryptoPredictor]:
        """By timeframe."""
        ...

    @property
    def fraud(self) -> FraudDesk:
        """Decides cases and records them."""
        ...

"""Training of the forecasting networks; importing this imports torch."""

from components.crypto.training.fit import LEARNING_CURVE, fit_candidate
from components.crypto.training.members import OnProgress, TrainingProgress
from components.crypto.training.settings import PROFILES, TrainingError, TrainingSettings, training_settings

__all__ = [
    "LEARNING_CURVE",
    "PROFILES",
    "OnProgress",
    "TrainingError",
    "TrainingProgress",
    "TrainingSettings",
    "fit_candidate",
    "training_settings",
]

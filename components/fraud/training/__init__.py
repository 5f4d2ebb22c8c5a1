"""Training of the fraud detectors; importing this imports neither xgboost nor sklearn."""

from components.fraud.training.errors import TrainingError
from components.fraud.training.fit import FitReport, fit_candidate
from components.fraud.training.learner import LEARNERS, Learner
from components.fraud.training.search import OnProgress, TrialReport

__all__ = ["LEARNERS", "FitReport", "Learner", "OnProgress", "TrainingError", "TrialReport", "fit_candidate"]

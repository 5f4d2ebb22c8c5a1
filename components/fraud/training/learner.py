"""What a learner is: how it is fitted, what it leaves, and the settings that a search may choose."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

import numpy as np
import numpy.typing as npt

from components.fraud.training.errors import TrainingError
from components.fraud.trees import Trees

if TYPE_CHECKING:
    import optuna

FloatArray = npt.NDArray[np.float64]
Float32Array = npt.NDArray[np.float32]
Labels = npt.NDArray[np.generic]
Settings = Mapping[str, float | int]

Learner = Literal["xgboost", "random_forest"]
LEARNERS: tuple[Learner, ...] = ("xgboost", "random_forest")

Unit = Literal["log_odds", "probability"]


class Fitted(Protocol):
    """A trained model of one learner."""

    @property
    def unit(self) -> Unit:
        """What its trees add up to, and its explanations explain."""
        ...

    @property
    def trees(self) -> Trees:
        """Its trees; their sum (log odds) or mean (probability) is its score."""
        ...

    @property
    def learned(self) -> Mapping[str, float]:
        """What fitting decided by itself, such as the number of rounds."""
        ...

    def score(self, features: Float32Array) -> FloatArray:
        """Uncalibrated probability of fraud, [N], by the original library."""
        ...

    def margin(self, features: Float32Array) -> FloatArray:
        """Log odds of `score`, [N]; what calibration starts from."""
        ...

    def save(self, native: Path) -> None:
        """Leave the model for explanations in a folder, without a pickle."""
        ...


@dataclass(frozen=True)
class Recipe:
    """How one learner is trained.

    Attributes:
        defaults: The settings of the first trial.
        suggest: Asks a trial for settings.
        fit: Features [N, F] and labels [N] to fit on, the same to stop on, settings and seed, to a model.
    """

    defaults: Settings
    suggest: Callable[["optuna.Trial"], Settings]
    fit: Callable[[Float32Array, Labels, Float32Array, Labels, Settings, int], Fitted]


def recipe(learner: str) -> Recipe:
    """The recipe of a learner.

    Raises:
        TrainingError: There is no such learner; names those that there are.
    """
    if learner == "xgboost":
        from components.fraud.training.boosted import RECIPE

        return RECIPE
    if learner == "random_forest":
        from components.fraud.training.forest import RECIPE as FOREST

        return FOREST
    raise TrainingError(f"no learner {learner!r}; choose one of {', '.join(LEARNERS)}")


def fraud_weights(fraud: Labels, power: float) -> FloatArray:
    """Weights [N]: 1 for a genuine row, (genuine / frauds)^power for a fraud.

    At 0 the classes count as they come, at 1 both weigh the same in all. Resampling would do the
    same and throw rows away.
    """
    frauds = np.asarray(fraud) == 1
    count = int(frauds.sum())
    ratio = (len(frauds) - count) / max(count, 1)
    return np.where(frauds, max(ratio, 1.0) ** power, 1.0)


def threads() -> int:
    """Threads of one boosting, `TRAINING_THREADS`, by default 1: the same seed then gives the same model anywhere.

    A second thread waits for the first by spinning, which on a machine that has other work made a fit several times
    slower. Forests need no such care: their trees are independent.
    """
    return int(os.environ.get("TRAINING_THREADS", "1"))

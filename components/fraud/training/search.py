"""The search for settings: a fixed budget of trials, scored on the stop slice."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from components.fraud.training.learner import Fitted, Recipe, Settings
from components.fraud.training.rows import Rows

SEARCH_ROWS = 60_000
"""Trials are fitted on at most so many training rows; the model that is kept is fitted on all of them."""


@dataclass(frozen=True)
class TrialReport:
    """One trial: its settings, average precision on the stop slice and how long it took; trial 0 has the defaults."""

    number: int
    settings: Settings
    average_precision: float
    seconds: float

    def __str__(self) -> str:
        shown = ", ".join(f"{name}={value:.3g}" for name, value in self.settings.items())
        return (
            f"trial {self.number}: average precision {self.average_precision:.4f} in {self.seconds:.0f} s with {shown}"
        )


OnProgress = Callable[[TrialReport], None]


@dataclass(frozen=True)
class Found:
    """Every trial, in order, the one with the highest average precision, and a model of its settings."""

    trials: tuple[TrialReport, ...]
    best: TrialReport
    fitted: Fitted


def search(
    recipe: Recipe, train: Rows, stop: Rows, *, trials: int, seed: int, progress: OnProgress | None = None
) -> Found:
    """Try the defaults and then what Optuna's TPE sampler proposes.

    Args:
        recipe: The learner.
        train: What is fitted on.
        stop: What is stopped early on and scored by.
        trials: How many, the defaults included; at least one.
        seed: Of the sampler and of every fit.
        progress: Called after every trial.

    Returns:
        The trials and a model that was fitted on all of `train` with the best trial's settings.
    """
    import optuna
    from sklearn.metrics import average_precision_score

    sample = _sample(train, seed)
    reports: list[TrialReport] = []
    models: dict[int, Fitted] = {}

    def objective(trial: optuna.Trial) -> float:
        began = time.perf_counter()
        settings = recipe.suggest(trial)
        fitted = recipe.fit(sample.features, sample.fraud, stop.features, stop.fraud, settings, seed)
        score = float(average_precision_score(stop.fraud, fitted.margin(stop.features)))
        if not reports or score > best(reports).average_precision:
            models.clear()
            models[trial.number] = fitted
        reports.append(TrialReport(trial.number, settings, score, time.perf_counter() - began))
        if progress is not None:
            progress(reports[-1])
        return score

    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
        study.enqueue_trial(dict(recipe.defaults), skip_if_exists=False)
        study.optimize(objective, n_trials=max(1, trials))
    finally:
        optuna.logging.set_verbosity(verbosity)
    chosen = best(reports)
    kept = models[chosen.number]
    if sample is not train:
        kept = recipe.fit(train.features, train.fraud, stop.features, stop.fraud, chosen.settings, seed)
    return Found(tuple(reports), chosen, kept)


def best(trials: Sequence[TrialReport]) -> TrialReport:
    """The trial with the highest average precision, the earliest of equals."""
    return max(trials, key=lambda trial: (trial.average_precision, -trial.number))


def _sample(train: Rows, seed: int) -> Rows:
    """Every fraud and as many genuine rows as the limit leaves room for, in their order."""
    if len(train) <= SEARCH_ROWS:
        return train
    random = np.random.default_rng(seed)
    frauds, genuine = np.flatnonzero(train.fraud == 1), np.flatnonzero(train.fraud == 0)
    room = min(len(genuine), max(SEARCH_ROWS - len(frauds), SEARCH_ROWS // 2))
    return train[np.sort(np.concatenate([frauds, random.choice(genuine, room, replace=False)]))]

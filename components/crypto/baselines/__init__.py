"""Forecasters that a network has to beat, each a fit on past rows and a prediction of quantiles for later ones."""

from collections.abc import Mapping

from components.crypto.baselines.ewma import fit_ewma
from components.crypto.baselines.garch import fit_garch
from components.crypto.baselines.har import fit_har
from components.crypto.baselines.port import Baseline, FitBaseline, rolling_predictions
from components.crypto.baselines.unconditional import fit_unconditional

BASELINES: Mapping[str, FitBaseline] = {
    "unconditional": fit_unconditional,
    "ewma": fit_ewma,
    "har": fit_har,
    "garch": fit_garch,
}
"""Baseline name → how it is fitted."""

__all__ = [
    "BASELINES",
    "Baseline",
    "FitBaseline",
    "fit_ewma",
    "fit_garch",
    "fit_har",
    "fit_unconditional",
    "rolling_predictions",
]

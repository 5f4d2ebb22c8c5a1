"""From candles to feature rows, as `feature_repo.crypto` specifies them."""

from components.crypto.features.build import FeatureReport, build_features
from components.crypto.features.compute import compute_features
from components.crypto.features.grid import CandleError, regular_candles

__all__ = ["CandleError", "FeatureReport", "build_features", "compute_features", "regular_candles"]

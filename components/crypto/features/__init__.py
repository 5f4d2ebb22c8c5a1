"""From candles to feature rows, as `feature_repo.crypto` specifies them."""

from components.crypto.features.build import FeatureReport, OtherDefinitionsError, build_features, read_features
from components.crypto.features.compute import compute_features
from components.crypto.features.grid import CandleError, regular_candles

__all__ = [
    "CandleError",
    "FeatureReport",
    "OtherDefinitionsError",
    "build_features",
    "compute_features",
    "read_features",
    "regular_candles",
]

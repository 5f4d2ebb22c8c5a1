"""Names in the feature store; each carries the definitions' digest, so that old definitions stay beside new ones."""

from feature_repo.crypto import feature_digest

PROJECT = "ai_orchestration"
SERIES_ENTITY = "series"
SERIES_KEY = "unique_id"
ASOF_STORE = "feature_repo.asof_store.AsOfDuckDBOfflineStore"
"""Type of the local profile's offline store."""

EVENT_TIME = "as_of"
"""A row's event time is the moment from which it is known: the close of its bar."""


def rows_view(digest: str | None = None) -> str:
    """The feature view of ordinary rows, offline only."""
    return f"crypto_features_1h_{digest or feature_digest()}"


def window_view(digest: str | None = None) -> str:
    """The feature view of each series' latest window, online."""
    return f"crypto_window_1h_{digest or feature_digest()}"


def training_service(digest: str | None = None) -> str:
    """The feature service that training reads."""
    return f"crypto_training_1h_{digest or feature_digest()}"


def serving_service(digest: str | None = None) -> str:
    """The feature service that the predictor reads."""
    return f"crypto_serving_1h_{digest or feature_digest()}"

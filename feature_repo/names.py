"""Names in the feature store; each carries the definitions' digest, so that old definitions stay beside new ones."""

from feature_repo.crypto import feature_digest
from feature_repo.fraud import card_feature_digest

PROJECT = "ai_orchestration"
SERIES_ENTITY = "series"
SERIES_KEY = "unique_id"
CUSTOMER_ENTITY = "customer"
CUSTOMER_KEY = "customer_id"
TERMINAL_ENTITY = "terminal"
TERMINAL_KEY = "terminal_id"
ASOF_STORE = "feature_repo.asof_store.AsOfDuckDBOfflineStore"
"""Type of the local profile's offline store."""

EVENT_TIME = "as_of"
"""A row's event time is the moment from which it is known: the close of its bar, or the writing of a state."""

CARD_CURSOR = "fraud-features"
"""Cursor in the decision log: up to here the states of the current definitions hold every event."""


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


def customer_state_view(digest: str | None = None) -> str:
    """The feature view of what each card customer has done so far, online."""
    return f"fraud_customer_state_{digest or card_feature_digest()}"


def terminal_state_view(digest: str | None = None) -> str:
    """The feature view of what happened at each terminal so far, online."""
    return f"fraud_terminal_state_{digest or card_feature_digest()}"


def card_state_service(digest: str | None = None) -> str:
    """The feature service of both states: that it is there says that they were materialised or followed."""
    return f"fraud_card_states_{digest or card_feature_digest()}"


def card_digest_cursor(digest: str | None = None) -> str:
    """Cursor in the decision log of the states of one digest."""
    return f"{CARD_CURSOR}-{digest or card_feature_digest()}"

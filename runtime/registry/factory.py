"""From the settings to a model registry."""

from runtime.registry.port import ModelRegistry
from runtime.settings import runtime_settings


def open_registry(tracking_uri: str = "") -> ModelRegistry:
    """Open the registry of the MLflow server at `tracking_uri`; empty means the one in the settings.

    Nothing is called yet: a server that is down shows as `RegistryUnavailableError` at the first use.
    """
    from runtime.registry.mlflow_registry import MlflowRegistry

    settings = runtime_settings()
    return MlflowRegistry(tracking_uri or settings.mlflow_tracking_uri, timeout_seconds=settings.http_timeout_seconds)

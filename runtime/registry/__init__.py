"""The model registry: MLflow behind a small port."""

from runtime.registry.factory import open_registry
from runtime.registry.port import CHAMPION, ModelRegistry, ModelVersion, ModelVersionNotFoundError

__all__ = ["CHAMPION", "ModelRegistry", "ModelVersion", "ModelVersionNotFoundError", "open_registry"]

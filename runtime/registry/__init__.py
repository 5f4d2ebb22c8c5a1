"""The model registry: MLflow behind a small port."""

from runtime.registry.factory import open_registry
from runtime.registry.port import (
    CHAMPION,
    ModelRegistry,
    ModelVersion,
    ModelVersionNotFoundError,
    RegistryRefusedError,
    RegistryUnavailableError,
)

__all__ = [
    "CHAMPION",
    "ModelRegistry",
    "ModelVersion",
    "ModelVersionNotFoundError",
    "RegistryRefusedError",
    "RegistryUnavailableError",
    "open_registry",
]

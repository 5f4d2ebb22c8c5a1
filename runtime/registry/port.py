"""The model-registry port: immutable versions, movable aliases."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

CHAMPION = "champion"


class ModelVersionNotFoundError(LookupError):
    """The registry has no such model, version or alias."""


class RegistryUnavailableError(RuntimeError):
    """The registry did not answer, or not in time; what was asked may be asked again."""


class RegistryRefusedError(ValueError):
    """The registry understood the call and refused it; asking again will not help."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered version; `version` is a decimal string that grows with every registration."""

    name: str
    version: str
    run_id: str
    tags: Mapping[str, str] = field(default_factory=dict)
    aliases: Sequence[str] = ()
    created_at_ms: int = 0


class ModelRegistry(Protocol):
    """What release, serving and the launcher need of a registry."""

    def register(self, name: str, bundle: Path, *, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        """Store the bundle folder byte for byte as a new version, under the run that made it."""
        ...

    def version(self, name: str, version: str) -> ModelVersion:
        """Look one version up; raise `ModelVersionNotFoundError`."""
        ...

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        """The version an alias points at, or None where the model or the alias does not exist."""
        ...

    def versions(self, name: str) -> Sequence[ModelVersion]:
        """Every version of a model, newest first; empty for an unknown model."""
        ...

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Point an alias at a version."""
        ...

    def set_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Set one tag of a version."""
        ...

    def download(self, version: ModelVersion, destination: Path) -> Path:
        """Fetch the bundle folder into `destination` and return its path; the bytes are those registered."""
        ...

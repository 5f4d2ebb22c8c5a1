"""The version that serves."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from runtime.bundle import Bundle, read_bundle
from runtime.registry import CHAMPION, ModelRegistry, ModelVersion


@dataclass(frozen=True)
class ChampionInfo:
    """What the gate needs to know of the champion.

    Attributes:
        version: Its version.
        created_at: When it was registered.
        scored_as: Its name in the losses; empty where it could not be scored.
        unscored_because: Why it could not be scored.
    """

    version: str
    created_at: datetime
    scored_as: str = "champion"
    unscored_because: str = ""


def fetch_champion(name: str, destination: Path, registry: ModelRegistry, *, alias: str = CHAMPION) -> Bundle | None:
    """Download the champion's bundle under `destination`, or None where there is no champion yet.

    Raises:
        BundleError: What arrived is not what was registered.
        RegistryUnavailableError: The registry does not answer.
    """
    version = registry.by_alias(name, alias)
    return None if version is None else read_bundle(registry.download(version, destination))


def champion_info(version: ModelVersion, *, scored_as: str = "champion", unscored_because: str = "") -> ChampionInfo:
    """Describe a version for the gate."""
    return ChampionInfo(
        version=version.version,
        created_at=datetime.fromtimestamp(version.created_at_ms / 1000, tz=UTC),
        scored_as="" if unscored_because else scored_as,
        unscored_because=unscored_because,
    )

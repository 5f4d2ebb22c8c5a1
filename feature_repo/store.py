"""Opening the feature store of a profile, and registering the current definitions in it.

Importing this module is light; opening a store imports Feast, which costs several CPU seconds.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runtime.settings import runtime_settings

if TYPE_CHECKING:
    from feast import FeatureStore

PROFILES = ("local", "production")
_VARIABLE = re.compile(r"\$\{(\w+)\}")


class FeatureStoreConfigError(ValueError):
    """The profile is unknown, its file is unreadable or it needs a variable that is not set."""


def profile_file(profile: str | None = None) -> Path:
    """The YAML file of a profile.

    Args:
        profile: `local` or `production`; None means the file that FEAST_FS_YAML_FILE_PATH names, or else the profile
            in AIO_FEAST_PROFILE.

    Raises:
        FeatureStoreConfigError: No such profile.
    """
    chosen = os.environ.get("FEAST_FS_YAML_FILE_PATH", "")
    if profile is None and chosen:
        return Path(chosen)
    name = profile or runtime_settings().feast_profile
    if name not in PROFILES:
        raise FeatureStoreConfigError(f"no feature store profile {name!r}; choose one of {list(PROFILES)}")
    return Path(__file__).with_name(f"feature_store.{name}.yaml")


def open_store(profile: str | None = None, *, online_only: bool = False) -> "FeatureStore":
    """Open the feature store of a profile; see `profile_file` for how it is chosen.

    Args:
        profile: `local`, `production` or None.
        online_only: Leave the offline store out, and with it the import of its packages: 1.5 CPU seconds and 45 MB that
            a predictor does not need.

    Raises:
        FeatureStoreConfigError: Unknown profile, unreadable file, a variable not set or a package missing.
    """
    path = profile_file(profile)
    content = _read(path)
    if online_only:
        content["offline_store"] = {"type": "remote", "host": "127.0.0.1", "port": 0}

    from feast import FeatureStore, RepoConfig
    from feast.errors import FeastModuleImportError
    from pydantic import ValidationError

    (state_folder() / "offline").mkdir(parents=True, exist_ok=True)
    try:
        config = RepoConfig(**content)
    except (ValidationError, ValueError) as error:
        raise FeatureStoreConfigError(f"{path} is no valid feature store profile: {error}") from error
    except FeastModuleImportError as error:
        raise FeatureStoreConfigError(
            f"{path} names a store whose package is not installed ({error.__cause__}); for Spark it is `feast[spark]`"
        ) from error
    config.repo_path = path.parent
    return FeatureStore(config=config)


def apply(store: "FeatureStore") -> None:
    """Register the current definitions beside whatever older ones the store has; idempotent."""
    from feature_repo.definitions import definitions

    store.apply(definitions(store.config))


def state_folder() -> Path:
    """Where the local profile keeps its registry, online store and offline files."""
    return runtime_settings().state_dir.resolve() / "feast"


def offline_location() -> str:
    """Where a production profile's offline rows are; see `feature_store.production.yaml`."""
    return _filled("${FEATURES_OFFLINE_LOCATION}", os.environ, "the production profile")


def _read(path: Path) -> dict[str, object]:
    import yaml

    variables = {"AIO_STATE_DIR": str(runtime_settings().state_dir.resolve())} | dict(os.environ)
    variables["AIO_STATE_DIR"] = str(Path(variables["AIO_STATE_DIR"]).resolve())
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise FeatureStoreConfigError(f"cannot read the feature store profile {path}: {error}") from error
    if not isinstance(content, dict):
        raise FeatureStoreConfigError(f"{path} holds no mapping, so it is no feature store profile")
    return {str(key): _expanded(value, variables, str(path)) for key, value in content.items()}


def _expanded(value: object, variables: Mapping[str, str], where: str) -> object:
    """Fill variables in after parsing, so that no value can change the document's structure."""
    if isinstance(value, dict):
        return {key: _expanded(item, variables, where) for key, item in value.items()}
    if isinstance(value, str):
        return _filled(value, variables, where)
    return value


def _filled(text: str, variables: Mapping[str, str], where: str) -> str:
    missing = [name for name in _VARIABLE.findall(text) if not variables.get(name)]
    if missing:
        raise FeatureStoreConfigError(f"{where} needs {', '.join(missing)}; set it, or use AIO_FEAST_PROFILE=local")
    return _VARIABLE.sub(lambda match: variables[match.group(1)], text)

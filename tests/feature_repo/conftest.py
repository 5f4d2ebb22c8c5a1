from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.settings import runtime_settings


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty state folder, and no setting of the feature store in the environment."""
    for name in ("FEAST_FS_YAML_FILE_PATH", "AIO_FEAST_PROFILE", "FEATURES_REGISTRY_URL", "FEATURES_REDIS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AIO_STATE_DIR", str(tmp_path / "state"))
    runtime_settings.cache_clear()
    yield tmp_path / "state"
    runtime_settings.cache_clear()

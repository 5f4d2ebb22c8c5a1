import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

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


@pytest.fixture
def production(
    state: Path,
    postgres_database: str,
    require_system_package: Callable[[str], Path],
    free_port: Callable[[], int],
    wait_until: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Path]:
    """Settings of the production profile over servers of this test."""
    port = free_port()
    command = [str(require_system_package("redis-server")), "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)

    def answers() -> bool:
        try:
            return bool(redis.Redis(port=port).ping())
        except redis.ConnectionError:
            return False

    monkeypatch.setenv("FEATURES_REGISTRY_URL", postgres_database.replace("postgresql://", "postgresql+psycopg://"))
    monkeypatch.setenv("FEATURES_REDIS", f"127.0.0.1:{port}")
    monkeypatch.setenv("FEATURES_OFFLINE_STORE", "bigquery")
    monkeypatch.setenv("FEATURES_OFFLINE_LOCATION", "shop.features")
    try:
        wait_until(answers, 20, "Redis")
        yield state
    finally:
        process.kill()
        process.wait(timeout=10)

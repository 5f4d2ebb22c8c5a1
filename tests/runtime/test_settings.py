"""Where databases are, by the settings that every process shares."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from runtime.settings import RuntimeSettings, sqlite_path

REFUSAL = ValueError("set a database")


@pytest.mark.parametrize("environment", ["local", "production"])
def test_an_address_that_is_set_is_the_one(environment: str, tmp_path: Path) -> None:
    settings = RuntimeSettings(environment=environment, state_dir=tmp_path)
    assert settings.database("postgresql://host/name", "runs.db", REFUSAL) == "postgresql://host/name"
    assert settings.database(SecretStr("sqlite:////x.db"), "runs.db", REFUSAL) == "sqlite:////x.db"


def test_none_is_a_file_in_the_state_folder_here_and_refused_elsewhere(tmp_path: Path) -> None:
    local = RuntimeSettings(environment="local", state_dir=tmp_path, database_url=SecretStr(""))
    assert local.database("", "runs.db", REFUSAL) == f"sqlite:///{tmp_path / 'runs.db'}"
    assert local.resolved_database_url == f"sqlite:///{tmp_path / 'release.db'}"
    production = RuntimeSettings(environment="production", state_dir=tmp_path)
    with pytest.raises(ValueError, match="set a database") as caught:
        production.database(SecretStr(""), "runs.db", REFUSAL)
    assert caught.value is REFUSAL


def test_the_file_of_an_embedded_database_is_told_from_its_address(tmp_path: Path) -> None:
    settings = RuntimeSettings(state_dir=tmp_path)
    assert sqlite_path(settings.embedded_database("runs.db")) == tmp_path / "runs.db"
    assert sqlite_path("postgresql://host/name") is None

"""Settings that every process shares."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

REPOSITORY_ROOT = Path(__file__).resolve().parent.parent


class RuntimeSettings(BaseSettings):
    """Where the shared parts are; every field is an environment variable with the prefix `AIO_`."""

    model_config = SettingsConfigDict(env_prefix="AIO_", frozen=True, extra="ignore")

    environment: Literal["local", "production"] = "local"
    """`production` refuses default secrets and embedded stores."""

    state_dir: Path = REPOSITORY_ROOT / ".state"
    """The one folder that local state is written to."""

    mlflow_tracking_uri: str = "http://127.0.0.1:5500"
    """MLflow's HTTP address; artifacts are proxied through it on every target."""

    object_store_url: str = ""
    """`file:///…`, `s3://bucket/prefix` or `gs://bucket/prefix`; empty means `objects/` in the state folder."""

    database_url: SecretStr = SecretStr("")
    """SQLAlchemy address of the promotion log; empty means `release.db` in the state folder."""

    feast_profile: Literal["local", "production"] = "local"
    """Which of the feature repository's profiles is read."""

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe level that is written."""

    log_format: Literal["json", "console"] = "json"
    """`json` for machines, `console` for a person at a terminal."""

    http_timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    """Longest wait for one call to MLflow or another shared service."""

    @property
    def resolved_object_store_url(self) -> str:
        """The object store's address with the embedded default filled in."""
        return self.object_store_url or (self.state_dir.resolve() / "objects").as_uri()

    @property
    def resolved_database_url(self) -> str:
        """The promotion log's address with the embedded default filled in."""
        return self.database_url.get_secret_value() or self.embedded_database("release.db")

    def embedded_database(self, file_name: str) -> str:
        """The address of an SQLite file in the state folder."""
        return f"sqlite:///{self.state_dir.resolve() / file_name}"

    def database(self, given: SecretStr | str, file_name: str, refusal: Exception) -> str:
        """A database's address with the embedded default filled in.

        Args:
            given: The address that is set; empty where none is.
            file_name: Of the embedded database.
            refusal: What is raised outside a local environment, which has no embedded one.
        """
        address = given.get_secret_value() if isinstance(given, SecretStr) else given
        if not address and self.environment != "local":
            raise refusal
        return address or self.embedded_database(file_name)


def sqlite_path(database_url: str) -> Path | None:
    """The SQLite file of an address, or None on PostgreSQL."""
    return Path(database_url.removeprefix("sqlite:///")) if database_url.startswith("sqlite:") else None


@lru_cache(maxsize=1)
def runtime_settings() -> RuntimeSettings:
    """Read the settings once a process; tests call `runtime_settings.cache_clear()`."""
    return RuntimeSettings()

"""Where the run store is, for every process that opens it."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from brain.runs.errors import NoRunStoreError
from runtime.settings import runtime_settings


class RunStoreSettings(BaseSettings):
    """The gateway and its workers share these; prefix `BRAIN_`."""

    model_config = SettingsConfigDict(env_prefix="BRAIN_", frozen=True, extra="ignore")

    database_url: SecretStr = Field(default=SecretStr(""))
    """`postgresql://…` or `sqlite:///PATH`; empty means `runs.db` (SQLite) in the state folder."""

    @property
    def resolved_url(self) -> str:
        """The store's address with the embedded default filled in.

        Raises:
            NoRunStoreError: None is set outside a local environment.
        """
        return runtime_settings().database(self.database_url, "runs.db", NoRunStoreError())

"""Settings of plans."""

from pathlib import Path

from pydantic import AnyHttpUrl, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class StrategySettings(BaseSettings):
    """How objectives are matched and plans are solved; environment prefix `BRAIN_L20_`."""

    model_config = SettingsConfigDict(env_prefix="BRAIN_L20_", frozen=True, extra="ignore")

    playbooks_folder: Path | None = None
    """Playbooks, a `NAME.yaml` each; None means those that ship with the platform."""

    llm_url: AnyHttpUrl | None = None
    """An OpenAI-compatible endpoint, such as `http://127.0.0.1:8080/v1`, whose chat chooses or writes playbooks."""

    llm_model: str = ""
    """The name of its model."""

    llm_api_key: SecretStr = SecretStr("")
    """Sent to it as a bearer token; empty sends none."""

    llm_seconds: float = Field(default=6.0, gt=0, le=60)
    """Longest wait for it; then words alone decide."""

    embeddings_url: AnyHttpUrl | None = None
    """An OpenAI-compatible endpoint whose embeddings compare objectives with playbooks; ignored beside `llm_url`."""

    embeddings_model: str = ""
    """The name of its model."""

    embeddings_least: float = Field(default=0.45, gt=0, lt=1)
    """Lowest cosine of a playbook that is chosen; to be set for the model."""

    solver_workers: int = Field(default=2, ge=1, le=64)
    """Threads of the solver in the worker."""

    plans_at_once: int = Field(default=2, ge=1, le=64)
    """Plans that a worker solves at a time; others wait, so that a second of solving stays a second."""

    learn_days: int = Field(default=90, ge=1)
    """How far back durations of capabilities are learned from."""

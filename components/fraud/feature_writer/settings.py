"""Settings of the feature writer."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class FeatureWriterSettings(BaseSettings):
    """How the log is followed; environment prefix `FEATURE_WRITER_`."""

    model_config = SettingsConfigDict(env_prefix="FEATURE_WRITER_", frozen=True, extra="ignore")

    batch_events: int = Field(default=500, ge=1, le=10_000)
    """Most events that are folded and written at a time."""

    idle_seconds: float = Field(default=0.5, gt=0, le=60)
    """Wait after a batch that was not full: a batch costs the same for few events as for many, up to a point."""

    heartbeat_seconds: float = Field(default=5.0, gt=0, le=600)
    """Longest time without a sign of life in the log."""

    lock_seconds: float = Field(default=30.0, gt=0, le=3600)
    """Longest wait for another writer of the feature store."""

    longest_pause_seconds: float = Field(default=10.0, gt=0, le=600)
    """Longest wait before a store or a database that is down is tried again; the first wait is `idle_seconds`."""

    probe_host: str = "127.0.0.1"
    """Address that `/health`, `/ready` and `/metrics` are bound to."""

    probe_port: int | None = Field(default=None, ge=0, le=65535)
    """Port of the probes; None answers none."""

    stuck_after_seconds: float = Field(default=120.0, gt=0, le=3600)
    """Silence of the loop from which `/health` fails; longer than `lock_seconds` and `longest_pause_seconds`."""

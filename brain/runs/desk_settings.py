"""Settings of the gateway's face of runs."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class RunDeskSettings(BaseSettings):
    """How many may ask the run store, wait for runs and follow them; environment prefix `BRAIN_RUNS_`."""

    model_config = SettingsConfigDict(env_prefix="BRAIN_RUNS_", frozen=True, extra="ignore")

    database_threads: int = Field(default=4, ge=1, le=64)
    """Calls to the run store at a time."""

    database_waiting: int = Field(default=512, ge=1)
    """Calls that may wait for a thread; more are refused with 503."""

    most_waits: int = Field(default=512, ge=1)
    """Requests that may wait for the end of a run at a time; more are answered at once with the run as it stands."""

    most_streams: int = Field(default=128, ge=1)
    """Streams of events at a time."""

    heartbeat_seconds: float = Field(default=15.0, gt=0)
    """How often a quiet stream says that it lives."""

    progress_seconds: float = Field(default=0.25, ge=0)
    """Least time between two reports of progress on one stream; what happens meanwhile comes as one."""

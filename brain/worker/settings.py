"""Settings of the worker."""

from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class WorkerSettings(BaseSettings):
    """How many runs a worker holds, how long, and where it answers probes; environment prefix `BRAIN_WORKER_`."""

    model_config = SettingsConfigDict(env_prefix="BRAIN_WORKER_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    """Address of `/health`, `/ready` and `/metrics`."""

    port: int = Field(default=8010, ge=0, le=65535)
    """Port of the probes; 0 takes a free one and logs it."""

    places: int = Field(default=8, ge=1, le=1000)
    """Runs that are held at a time."""

    parallel_calls: int = Field(default=8, ge=1, le=1000)
    """Tasks of one run that are called at a time."""

    lease_seconds: float = Field(default=15.0, ge=0.5, le=3600)
    """How long a run is held after the last renewal; after a crash others wait that long. Renewed three times in it."""

    poll_seconds: float = Field(default=1.0, gt=0, le=60)
    """Longest time without a look at the queue, when nothing rings; so late an ended lease is noticed at most."""

    call_seconds: float = Field(default=600.0, gt=0, le=24 * 3600)
    """Longest call of a capability, where no deadline comes before."""

    drain_seconds: float = Field(default=25.0, ge=0, le=3600)
    """After SIGTERM: how long calls in flight may take; what is left then is cut off and taken up by another worker."""

    database_threads: int = Field(default=4, ge=1, le=64)
    """Calls to the run store at a time."""

    stuck_after_seconds: float = Field(default=60.0, gt=0, le=3600)
    """Silence of the loop from which `/health` fails."""

    @model_validator(mode="after")
    def _look_often_enough(self) -> Self:
        if self.stuck_after_seconds <= 2 * self.poll_seconds:
            raise ValueError(
                f"stuck_after_seconds ({self.stuck_after_seconds:g}) must be more than twice poll_seconds "
                f"({self.poll_seconds:g}), or a worker without work is called stuck"
            )
        return self

"""Settings of the Google Cloud rooms, prefix `GCP_`."""

from functools import lru_cache

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class GcpSettings(BaseSettings):
    """Where Vertex AI runs pipelines, and what its steps are told."""

    model_config = SettingsConfigDict(env_prefix="GCP_", frozen=True, extra="ignore")

    project: str = ""
    """Project that pays and owns the runs."""

    location: str = "us-central1"
    """Region of Vertex AI."""

    staging_bucket: str = ""
    """`gs://bucket/prefix` that artifacts of runs go to."""

    service_account: str = ""
    """Identity that steps run as; empty means the project's default."""

    network: str = ""
    """Full name of the network that reaches MLflow and the database; empty means none."""

    api_endpoint: str = ""
    """Address of the API; empty means Google's for the region. One that begins with `http://` is called without
    credentials, for an emulator or a recording server."""

    image: str = ""
    """Image of the steps in a registry that Vertex AI can pull from, without a tag."""

    accelerator: str = ""
    """Accelerator of training steps by Vertex AI's name, for example `NVIDIA_TESLA_T4`; empty means CPU."""

    accelerator_count: int = Field(default=1, ge=1, le=8)
    """Accelerators a training step asks for."""

    request_timeout_seconds: float = Field(default=60.0, gt=0, le=600)
    """Longest wait for Vertex AI to accept a run."""


@lru_cache(maxsize=1)
def gcp_settings() -> GcpSettings:
    """Read the settings once a process; tests call `gcp_settings.cache_clear()`."""
    return GcpSettings()

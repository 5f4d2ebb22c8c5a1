"""Settings of the targets that live in this package, prefix `PIPELINES_`; Vertex AI has its own in `gcp`."""

from functools import lru_cache

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class PipelineSettings(BaseSettings):
    """How pipelines are built into images, submitted and repeated."""

    model_config = SettingsConfigDict(env_prefix="PIPELINES_", frozen=True, extra="ignore")

    image: str = "ai-orchestration/trainer"
    """Image that steps run in, registry included, without a tag: the tag is the digest of the code."""

    kubeflow_host: str = ""
    """Address of the Kubeflow Pipelines API, for example `http://ml-pipeline.kubeflow:8888`."""

    kubeflow_token: SecretStr = SecretStr("")
    """Bearer token of the API; empty where it asks for none."""

    namespace: str = "ai-orchestration"
    """Namespace of runs where Kubeflow Pipelines serves many users; the ConfigMap and the Secret must be in it."""

    service_account: str = ""
    """Kubernetes service account of runs; empty means the one that Kubeflow Pipelines is set up with."""

    config_map: str = "ai-orchestration-config"
    """ConfigMap whose keys are the address variables."""

    secret: str = "ai-orchestration-secrets"  # noqa: S105 - the name of a Kubernetes object
    """Secret whose keys are the variables that hold passwords."""

    experiment: str = "ai-orchestration"
    """Experiment of Kubeflow Pipelines that runs are listed under."""

    accelerator: str = ""
    """Accelerator of training steps on Kubeflow, for example `nvidia.com/gpu`; empty means CPU."""

    accelerator_count: int = Field(default=1, ge=1, le=8)
    """Accelerators a training step asks for."""

    jitter_seconds: float = Field(default=30.0, ge=0, le=3600)
    """A local schedule starts up to this long after its minute, so that many installations do not start together."""

    backoff_seconds: float = Field(default=30.0, gt=0, le=3600)
    """A failed scheduled run is tried again after this long, doubled with every failure in a row."""

    backoff_max_seconds: float = Field(default=1800.0, gt=0, le=86400)
    """Longest wait between a failed scheduled run and the next try."""

    keep_runs: int = Field(default=5, ge=1, le=1000)
    """Finished local runs whose artifacts and logs stay on disk, per pipeline."""


@lru_cache(maxsize=1)
def pipeline_settings() -> PipelineSettings:
    """Read the settings once a process; tests call `pipeline_settings.cache_clear()`."""
    return PipelineSettings()

"""Settings of how resources are allocated."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

Amount = Annotated[float, Field(ge=0)]


class ResourcesSettings(BaseSettings):
    """What stands in for what a request leaves out, and the cluster; environment prefix `BRAIN_L20_RESOURCES_`."""

    model_config = SettingsConfigDict(env_prefix="BRAIN_L20_RESOURCES_", frozen=True, extra="ignore")

    most_utilisation: float = Field(default=0.9, gt=0, lt=1)
    """How busy replicas may be on average."""

    solver_seconds: float = Field(default=2.0, gt=0, le=10)
    """Longest search; breaking ties and each gain may take as long again."""

    capacity: dict[str, Amount] = {}
    """What there is, as JSON with `cpu`, `gpu`, `memory_gb`; empty measures the machine or the cluster's nodes."""

    replica_cpu: float = Field(default=1.0, ge=0)
    """Cores of a predictor's replica, where the cluster does not say."""

    replica_memory_gb: float = Field(default=0.5, ge=0)
    """Its memory, where neither the cluster nor the predictor says."""

    most_replicas: int = Field(default=8, ge=1, le=200)
    """Most replicas of a service whose demand was measured."""

    latency_target_seconds: float = Field(default=0.5, gt=0)
    """Target of services whose demand was measured."""

    latency_quantile: float = Field(default=0.95, gt=0, lt=1)
    """Of that target."""

    window_seconds: float = Field(default=900.0, gt=0)
    """Counters are compared with those of an earlier look at most this old; else with the start of their process."""

    namespace: str = "ai-orchestration"
    """Of the InferenceServices."""

"""Settings of the launcher, prefix `LOCAL_`; addresses shared with the processes stand in `runtime.settings`."""

from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class LocalSettings(BaseSettings):
    """Ports on loopback, the training profile of the first run, and how long the launcher waits."""

    model_config = SettingsConfigDict(env_prefix="LOCAL_", frozen=True, extra="ignore")

    gateway_port: int = Field(default=8000, ge=1, le=65535)
    """Where the gateway and its console answer."""

    worker_port: int = Field(default=8010, ge=1, le=65535)
    """Where the worker of long runs answers probes."""

    crypto_port: int = Field(default=5002, ge=1, le=65535)
    """REST port of the crypto predictor."""

    crypto_grpc_port: int = Field(default=5012, ge=1, le=65535)
    """gRPC port of the crypto predictor."""

    fraud_port: int = Field(default=5004, ge=1, le=65535)
    """REST port of the fraud predictor."""

    fraud_grpc_port: int = Field(default=5014, ge=1, le=65535)
    """gRPC port of the fraud predictor."""

    fraud_features_port: int = Field(default=5024, ge=1, le=65535)
    """Where the fraud feature writer answers probes."""

    mlflow_port: int = Field(default=5500, ge=1, le=65535)
    """MLflow's port."""

    profile: Literal["quick", "full"] = "quick"
    """How thoroughly the first run trains: `quick` takes minutes on two cores."""

    training_memory_gb: float | None = Field(default=None, gt=0, le=1024)
    """Memory that one training may take; the first ones run at the same time only where each finds that much. Left out:
    8 for `full`, the largest limit of a step in `pipelines/`, and 3 for `quick`, which was seen to take 1.2."""

    start_timeout_seconds: float = Field(default=180.0, gt=0, le=3600)
    """Longest wait for one process to become ready."""

    stop_timeout_seconds: float = Field(default=30.0, gt=0, le=600)
    """Longest wait for a process to drain before it is killed."""

    refresh: bool = True
    """Whether features are refreshed after each closed bar while the platform is up."""

    @property
    def memory_of_a_training_gb(self) -> float:
        """What one training of the profile may take."""
        return self.training_memory_gb or {"quick": 3.0, "full": 8.0}[self.profile]

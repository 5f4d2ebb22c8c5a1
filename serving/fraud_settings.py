"""Settings of the fraud predictor; prefix `PREDICTOR_` as for every predictor."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from runtime.settings import runtime_settings
from serving.settings import ServerSettings

Detector = Literal["card", "network", "crypto"]


class FraudSettings(ServerSettings):
    """Three detectors in one process: which must be there, which versions they serve, how states are kept."""

    http_port: int = Field(default=5004, ge=0, le=65535)
    """REST port; 0 takes a free one and logs it."""

    grpc_port: int = Field(default=5014, ge=0, le=65535)
    """gRPC port; 0 takes a free one and logs it."""

    max_batch_rows: int = Field(default=1000, ge=1, le=4096)
    """Most rows in one model call, and in one request."""

    queue_rows: int = Field(default=8000, ge=1)
    """Most rows that wait for one model; more are refused with 429."""

    required: frozenset[Detector] = frozenset({"card"})
    """The process is ready as soon as these have a champion; the others answer 503 until they have one."""

    card_version: str = ""
    """Serve exactly this version of `fraud-card`; empty follows the champion alias."""

    network_version: str = ""
    """The same for `fraud-network`."""

    crypto_version: str = ""
    """The same for `fraud-crypto`."""

    local_copy_dir: Path | None = None
    """Where the versions served last are kept, a folder a model; None means inside the state folder."""

    state_ttl_seconds: float = Field(default=0.5, ge=0, le=1)
    """How old a card's states may be; less than the gateway's `mirror_grace_seconds`, which covers for them."""

    kept_states: int = Field(default=4096, ge=1)
    """Most states that are kept for that moment, at most 40 KiB each."""

    explain_queue_rows: int = Field(default=2000, ge=1)
    """Most rows that wait for an explanation; more are refused with 429."""

    def version(self, detector: Detector) -> str:
        """The version of a detector that is pinned, if any."""
        pinned = {"card": self.card_version, "network": self.network_version, "crypto": self.crypto_version}
        return pinned[detector]

    def copy_dir(self, model_name: str) -> Path:
        """Where a model's versions are kept on this machine."""
        return (self.local_copy_dir or runtime_settings().state_dir.resolve() / "predictor") / model_name

"""Settings of a predictor process, prefix `PREDICTOR_`; what processes share stands in `runtime.settings`."""

import ipaddress
import re
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from runtime.settings import runtime_settings

_SHA256 = re.compile(r"[0-9a-f]{64}")


class ServerSettings(BaseSettings):
    """Where a predictor process listens and how much it lets in, whatever models it serves."""

    model_config = SettingsConfigDict(env_prefix="PREDICTOR_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    """Address that REST and gRPC bind; anything but loopback needs `api_key_sha256` or `mesh_authenticates`."""

    http_port: int = Field(default=5002, ge=0, le=65535)
    """REST port; 0 takes a free one and logs it."""

    grpc_port: int = Field(default=5012, ge=0, le=65535)
    """gRPC port; 0 takes a free one and logs it."""

    poll_seconds: float = Field(default=2.0, gt=0, le=3600)
    """How often the alias and the features are looked at."""

    reload_retry_limit_seconds: float = Field(default=300.0, gt=0)
    """Longest pause between two tries to load a version that failed; the first is `poll_seconds`."""

    max_batch_rows: int = Field(default=64, ge=1, le=4096)
    """Most rows in one model call, and in one request."""

    queue_rows: int = Field(default=512, ge=1)
    """Most rows that wait for the model; more are refused with 429."""

    intra_op_threads: int = Field(default=1, ge=1)
    """Threads inside one model call."""

    execution_providers: tuple[str, ...] = ("CPUExecutionProvider",)
    """ONNX Runtime providers in order of preference."""

    body_limit_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    """Largest request, REST and gRPC."""

    default_deadline_seconds: float = Field(default=10.0, gt=0)
    """Time given to a request that names no deadline."""

    max_deadline_seconds: float = Field(default=120.0, gt=0)
    """A later deadline is brought down to this."""

    api_key_sha256: frozenset[str] = frozenset()
    """SHA-256, in hex, of the keys that are let in; empty asks for none."""

    mesh_authenticates: bool = False
    """A service mesh or network policy in front lets in only known callers, so that no key is asked for."""

    drain_notice_seconds: float = Field(default=0.5, ge=0, le=60)
    """After SIGTERM: how long new requests are still answered, with `Connection: close` and `/ready` false."""

    drain_timeout_seconds: float = Field(default=20.0, gt=0, le=600)
    """After that: how long requests in hand may take."""

    @field_validator("api_key_sha256")
    @classmethod
    def _hex_digests(cls, digests: frozenset[str]) -> frozenset[str]:
        lowered = frozenset(digest.lower() for digest in digests)
        wrong = [digest for digest in lowered if not _SHA256.fullmatch(digest)]
        if wrong:
            raise ValueError(f"an API key hash is 64 hex digits; {len(wrong)} of {len(digests)} are not")
        return lowered

    @model_validator(mode="after")
    def _closed_beyond_loopback(self) -> Self:
        if not (is_loopback(self.host) or self.api_key_sha256 or self.mesh_authenticates):
            raise ValueError(
                f"host {self.host!r} is reachable from other machines; set PREDICTOR_API_KEY_SHA256 to the hashes of "
                "the keys to let in, or PREDICTOR_MESH_AUTHENTICATES=true where a mesh authenticates callers"
            )
        return self


class PredictorSettings(ServerSettings):
    """Which model the crypto predictor serves, and how it reads features."""

    model_name: str = "crypto-forecast-1h"
    """Name in every path and answer."""

    registered_model: str = ""
    """Name in the registry; empty means `model_name`."""

    model_version: str = ""
    """Serve exactly this version; empty follows the champion alias."""

    local_copy_dir: Path | None = None
    """Where the version served last is kept for a start without the registry; None means inside the state folder."""

    feature_ttl_seconds: float = Field(default=1.0, ge=0, le=60)
    """How long a window is kept before the online store is asked again."""

    feature_grace_seconds: float = Field(default=300.0, ge=0)
    """How long a window is kept in use while the online store cannot be read; `as_of` tells its age all along."""

    stale_after_bars: float = Field(default=2.0, gt=0)
    """Age in bars, by event time, from which `/ready` calls the features stale; they are served all the same."""

    @property
    def registry_name(self) -> str:
        """The model's name in the registry."""
        return self.registered_model or self.model_name

    @property
    def copy_dir(self) -> Path:
        """Where versions are kept on this machine."""
        return self.local_copy_dir or runtime_settings().state_dir.resolve() / "predictor" / self.model_name


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

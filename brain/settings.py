"""Settings of the gateway."""

import os
import secrets
from collections.abc import Mapping
from functools import cached_property
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from pydantic import AnyHttpUrl, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from brain.fraud.settings import FraudSettings
from brain.l20.analytics.settings import AnalyticsSettings
from brain.l20.priority.settings import PrioritySettings
from brain.l20.resources.settings import ResourcesSettings
from brain.l20.strategy.settings import StrategySettings
from brain.rates import readable_limit
from brain.runs.desk_settings import RunDeskSettings
from brain.runs.settings import RunStoreSettings
from components.crypto.series import Timeframe
from runtime.settings import runtime_settings, sqlite_path

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


class SettingsError(ValueError):
    """The settings contradict one another or lack something; the message says what to set."""


class BrainSettings(BaseSettings):
    """How the gateway listens, whom it asks and what it lets through; environment variables with prefix `BRAIN_`."""

    model_config = SettingsConfigDict(env_prefix="BRAIN_", frozen=True, extra="ignore")

    host: str = "127.0.0.1"
    """Address to bind; anything beyond loopback switches authentication on."""

    port: int = Field(default=8000, ge=0, le=65535)
    """TCP port; 0 takes a free one and logs it."""

    auth: Literal["auto", "required"] = "auto"
    """`auto` asks for API keys as soon as the gateway binds beyond loopback; `required` always does."""

    trusted_hosts: tuple[str, ...] = ()
    """Further names the gateway is called by, as in a Host header without its port; `*` takes any."""

    allowed_origins: tuple[str, ...] = ()
    """Further origins, such as `https://brain.example.com`, whose pages may send requests that change something."""

    trusted_proxies: str = ""
    """Addresses or networks, comma-separated, whose X-Forwarded-* headers are believed."""

    secure_cookies: bool = False
    """Set where TLS ends before the gateway, so that the session cookie never travels in the clear."""

    session_secret: SecretStr = SecretStr("")
    """Signs session cookies; locally a random one is kept in the state folder, elsewhere it must be set."""

    session_seconds: int = Field(default=12 * 3600, gt=0)
    """How long a log-in of the console lasts."""

    metrics_require_key: bool = True
    """Where authentication is on: whether `/metrics` needs a key with scope `status`."""

    database_url: SecretStr = SecretStr("")
    """`postgresql://…` for API keys and runs; empty means `brain.db` and `runs.db` (SQLite) in the state folder."""

    crypto_predictors: Mapping[str, AnyHttpUrl] = {"1h": AnyHttpUrl("http://127.0.0.1:5002")}
    """Address of the crypto predictor of each timeframe, as JSON."""

    fraud: FraudSettings = Field(default_factory=FraudSettings)
    """The fraud routes' own settings, prefix `BRAIN_FRAUD_`."""

    runs: RunDeskSettings = Field(default_factory=RunDeskSettings)
    """The runs' own settings, prefix `BRAIN_RUNS_`."""

    l20: StrategySettings = Field(default_factory=StrategySettings)
    """How plans are made, prefix `BRAIN_L20_`."""

    l20_priority: PrioritySettings = Field(default_factory=PrioritySettings)
    """How work is ranked, prefix `BRAIN_L20_PRIORITY_`."""

    l20_resources: ResourcesSettings = Field(default_factory=ResourcesSettings)
    """How resources are allocated, prefix `BRAIN_L20_RESOURCES_`."""

    l20_metrics: AnalyticsSettings = Field(default_factory=AnalyticsSettings)
    """Figures and what they recommend, prefix `BRAIN_L20_METRICS_`."""

    predictor_api_key: SecretStr = SecretStr("")
    """Sent to predictors as `Authorization: Bearer`; empty sends none."""

    mlflow_url: str = ""
    """Where the gateway asks MLflow how it is; empty means `AIO_MLFLOW_TRACKING_URI`."""

    public_mlflow_url: str = ""
    """MLflow's address for a person's browser; empty means `mlflow_url`."""

    body_limit_bytes: int = Field(default=1_048_576, ge=1024)
    """Largest request body."""

    default_timeout_seconds: float = Field(default=10.0, gt=0, le=600)
    """Deadline of a request, counted from its acceptance; callers may shorten it with `X-Timeout-Seconds`."""

    connect_timeout_seconds: float = Field(default=1.0, gt=0)
    """Longest wait for a connection to a predictor."""

    upstream_attempts: int = Field(default=3, ge=1, le=10)
    """How often a call to a predictor is tried while connections fail and time is left; a GET up to twice as often."""

    upstream_connections: int = Field(default=64, ge=1)
    """Most connections to one service; calls beyond wait for one of them, within their deadline."""

    breaker_failures: int = Field(default=5, ge=1)
    """Failed calls in a row after which a predictor is left alone for a moment."""

    breaker_open_seconds: float = Field(default=1.0, gt=0)
    """How long it is left alone before one call tries again."""

    rate_limit: str = "1200/minute"
    """Requests of one key (or address, where keys are not asked for)."""

    predict_rate_limit: str = "600/minute"
    """Forecasts of one key or address."""

    login_rate_limit: str = "10/minute"
    """Attempts to log in from one address."""

    redis_url: SecretStr = SecretStr("")
    """`redis://…` that replicas count rate limits in; empty means the process's own memory."""

    stale_after_seconds: int = Field(default=7200, gt=0)
    """Age of the last closed bar beyond which a forecast is called stale."""

    unusual_distance: float = Field(default=8.0, gt=0)
    """Largest |z| of an input feature that passes without a warning."""

    key_cache_seconds: float = Field(default=5.0, ge=0)
    """How long a checked key is believed; a revoked key stops working within this time."""

    status_cache_seconds: float = Field(default=2.0, ge=0)
    """How long one look at the parts serves every caller of `/status`."""

    drain_notice_seconds: float = Field(default=0.5, ge=0, le=60)
    """After SIGTERM: how long new requests are still answered while `/ready` says no, so that balancers notice."""

    drain_seconds: int = Field(default=20, ge=0)
    """After that: how long requests in hand may take to finish."""

    access_log: bool = True
    """Write a line for each request, health checks and static files excepted."""

    @field_validator("crypto_predictors")
    @classmethod
    def _known_timeframes(cls, value: Mapping[str, AnyHttpUrl]) -> Mapping[str, AnyHttpUrl]:
        for name in value:
            Timeframe(name)
        return value

    @field_validator("rate_limit", "predict_rate_limit", "login_rate_limit")
    @classmethod
    def _readable_limit(cls, value: str) -> str:
        return readable_limit(value)

    @field_validator("database_url")
    @classmethod
    def _supported_database(cls, value: SecretStr) -> SecretStr:
        scheme = value.get_secret_value().partition("://")[0]
        if scheme not in ("", "sqlite", "postgresql", "postgresql+psycopg"):
            raise ValueError(f"database scheme {scheme!r} is not supported; use postgresql://… or sqlite:///PATH")
        return value

    @property
    def beyond_loopback(self) -> bool:
        """Whether other machines can reach the gateway."""
        try:
            return not ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host != "localhost"

    @property
    def auth_required(self) -> bool:
        """Whether a request needs an API key or a session."""
        return self.auth == "required" or self.beyond_loopback

    @property
    def host_names(self) -> tuple[str, ...]:
        """Every name that a Host header may carry."""
        return (*LOOPBACK_NAMES, self.host, *self.trusted_hosts)

    @property
    def resolved_mlflow_url(self) -> str:
        """MLflow's address, without a slash at its end."""
        return (self.mlflow_url or runtime_settings().mlflow_tracking_uri).rstrip("/")

    @property
    def resolved_database_url(self) -> str:
        """The database's address with the embedded default filled in.

        Raises:
            SettingsError: None is set outside a local environment.
        """
        refusal = SettingsError(
            "BRAIN_DATABASE_URL must be set where AIO_ENVIRONMENT is not local: postgresql://… for any number of "
            "gateways, sqlite:///PATH for exactly one"
        )
        return runtime_settings().database(self.database_url, "brain.db", refusal)

    @property
    def resolved_runs_url(self) -> str:
        """The run store's address: the same database, or the embedded file of its own.

        Raises:
            NoRunStoreError: None is set outside a local environment.
        """
        return RunStoreSettings(database_url=self.database_url).resolved_url

    @property
    def sqlite_path(self) -> Path | None:
        """The SQLite file, or None on PostgreSQL."""
        return sqlite_path(self.resolved_database_url)

    @cached_property
    def resolved_session_secret(self) -> str:
        """The secret that signs sessions.

        Raises:
            SettingsError: None is set outside a local environment, or it is too short to be a secret.
        """
        secret = self.session_secret.get_secret_value()
        if not secret and runtime_settings().environment == "local":
            return _kept_secret(runtime_settings().state_dir / "run" / "session.secret")
        if len(secret) < 32:
            raise SettingsError(
                "BRAIN_SESSION_SECRET must hold at least 32 random characters where AIO_ENVIRONMENT is not local, "
                f"received {len(secret)}; make one with: python -c 'import secrets; print(secrets.token_urlsafe(32))'"
            )
        return secret


def _kept_secret(path: Path) -> str:
    """Read the secret that an earlier start left, or leave one; only the owner may read it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        kept = path.read_text().strip()
        if len(kept) >= 32:
            return kept
        path.unlink()  # a start was killed between making the file and filling it
        return _kept_secret(path)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(secret := secrets.token_urlsafe(48))
    return secret

"""Settings of the gateway's fraud routes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from brain.rates import readable_limit

_SHORTEST_SECRET = 16


class Webhook(BaseModel):
    """Who is told of alerts: an address, and the secret that signs what is sent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: AnyHttpUrl
    secret: SecretStr

    @field_validator("secret")
    @classmethod
    def _long_enough(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value()) < _SHORTEST_SECRET:
            raise ValueError(f"a webhook's secret holds at least {_SHORTEST_SECRET} characters")
        return value


class FraudSettings(BaseSettings):
    """Whom the fraud routes ask, by which rules they decide and whom they tell; environment prefix `BRAIN_FRAUD_`."""

    model_config = SettingsConfigDict(env_prefix="BRAIN_FRAUD_", frozen=True, extra="ignore")

    predictor_url: AnyHttpUrl = AnyHttpUrl("http://127.0.0.1:5004")
    """Address of the fraud predictor, which serves every detector."""

    shadow_url: AnyHttpUrl | None = None
    """A challenger's predictor: it scores every case; what it says is stored with the decision and never acted on."""

    shadow_seconds: float = Field(default=0.5, gt=0, le=10)
    """Longest wait for the challenger."""

    rules_path: Path | None = None
    """The rule set for cards; None means the one that ships with the platform."""

    shadow_rules_path: Path | None = None
    """A rule set that is evaluated beside the one in force, stored and never acted on."""

    database_url: SecretStr = SecretStr("")
    """SQLAlchemy address of the decision log; empty means the one that every process finds in its own settings."""

    database_threads: int = Field(default=16, ge=1, le=64)
    """Calls to the decision log at a time; commits of several threads share one flush to disk."""

    database_waiting: int = Field(default=512, ge=1)
    """Calls that may wait for a thread; more are refused with 503."""

    recent_limit: int = Field(default=1000, ge=1, le=100_000)
    """Most events of a customer and a terminal that the feature store may lag behind; past it, cases get a 503."""

    mirror_grace_seconds: float = Field(default=2.0, ge=0, le=60)
    """How long events are sent along after the feature store has them: longer than a predictor keeps states."""

    explain_seconds: float = Field(default=1.0, gt=0, le=30)
    """Longest wait for the reasons of one decision; past it the decision stands without them."""

    rate_limit: str = "60000/minute"
    """Analyses of one key or address, in place of the gateway's general limit."""

    alert_on: Literal["decline", "review"] = "review"
    """From which decision on an alert is raised; a review needs somebody who looks."""

    webhooks: Mapping[str, Webhook] = {}
    """Who is told of alerts, by name, as JSON: `{"ops": {"url": "https://…", "secret": "…"}}`."""

    webhook_attempts: int = Field(default=12, ge=1, le=100)
    """How often one alert is sent to one receiver before it is a dead letter."""

    webhook_seconds: float = Field(default=5.0, gt=0, le=60)
    """Longest wait for a receiver's answer."""

    webhook_first_pause_seconds: float = Field(default=1.0, gt=0)
    """Pause after the first failed attempt; each further one doubles it, with jitter."""

    webhook_longest_pause_seconds: float = Field(default=900.0, gt=0)
    """Where doubling ends."""

    heartbeat_seconds: float = Field(default=15.0, gt=0)
    """How often a quiet stream of alerts says that it lives."""

    most_streams: int = Field(default=64, ge=1)
    """Streams of alerts at a time."""

    batch_body_limit_bytes: int = Field(default=16 * 1024 * 1024, ge=1024)
    """Largest body of a batch; every other route keeps the gateway's limit."""

    batch_seconds: float = Field(default=120.0, gt=0, le=600)
    """Deadline of a batch."""

    batch_chunk_rows: int = Field(default=250, ge=1, le=1000)
    """Rows of a batch that are scored and committed together."""

    drift_decisions: int = Field(default=2000, ge=50, le=100_000)
    """How many of the last decisions of a model version are compared with what it was trained on."""

    drift_least: int = Field(default=200, ge=1)
    """Fewer than these are not judged."""

    drift_threshold: float = Field(default=0.25, gt=0)
    """Population stability index from which an input or the score has drifted."""

    drift_seconds: float = Field(default=15.0, gt=0)
    """How often the comparison is made."""

    lag_limit: int = Field(default=2000, ge=1)
    """Events that the feature store may lag behind the log before `/status` calls it degraded."""

    @field_validator("rate_limit")
    @classmethod
    def _readable_limit(cls, value: str) -> str:
        return readable_limit(value)

"""Settings of how work is ranked."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from brain.l20.priority.weights import Weights


class PrioritySettings(BaseSettings):
    """Weights and half-way points; environment prefix `BRAIN_L20_PRIORITY_`."""

    model_config = SettingsConfigDict(env_prefix="BRAIN_L20_PRIORITY_", frozen=True, extra="ignore")

    weights: Weights = Weights()
    """How much each factor counts where a request does not say, as JSON."""

    slack_half_seconds: float = Field(default=86_400.0, gt=0)
    """Slack at which the deadline counts half of what it counts when there is none left."""

    age_half_seconds: float = Field(default=86_400.0, gt=0)
    """Age at which waiting counts half of what it can."""

    duration_half_seconds: float = Field(default=60.0, gt=0)
    """Duration at which shortness counts half."""

    unblocks_half_seconds: float = Field(default=600.0, gt=0)
    """Work that waits behind a task, on its longest chain, at which unblocking counts half."""

    most_tasks: int = Field(default=100_000, ge=1, le=1_000_000)
    """Tasks of one request."""

    body_limit_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    """Largest body of a request to rank; other routes keep the gateway's limit."""

    timeout_seconds: float = Field(default=60.0, gt=0, le=600)
    """Deadline of such a request."""

    at_once: int = Field(default=2, ge=1, le=64)
    """Requests that are ranked at a time; others wait."""

"""Settings of figures and of what they recommend."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class AnalyticsSettings(BaseSettings):
    """Windows, and a threshold for each rule; environment prefix `BRAIN_L20_METRICS_`."""

    model_config = SettingsConfigDict(env_prefix="BRAIN_L20_METRICS_", frozen=True, extra="ignore")

    window_seconds: float = Field(default=86_400.0, gt=0)
    """How far back figures go where a request does not say."""

    gauges_window_seconds: float = Field(default=3600.0, gt=0)
    """How far back Prometheus' gauges go."""

    gauges_cache_seconds: float = Field(default=10.0, ge=0)
    """How long one look at the store serves every scrape."""

    most_rows: int = Field(default=20_000, ge=1, le=1_000_000)
    """Newest runs and newest calls that are looked at; the answer says where there were more."""

    least_observed: int = Field(default=20, ge=2)
    """Fewer runs or calls recommend nothing."""

    oldest_wait_seconds: float = Field(default=60.0, gt=0)
    """Age of the oldest queued run from which more workers are recommended."""

    wait_p90_seconds: float = Field(default=30.0, gt=0)
    """Ninth decile of waiting from which more workers are recommended."""

    failure_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of calls of a type that fail from which it is named."""

    estimate_factor: float = Field(default=2.0, gt=1)
    """How far the median may be from the estimate, either way."""

    busy_share: float = Field(default=0.8, gt=0, le=1)
    """Share of the workers' places in use over the window from which more are recommended."""

    idle_share: float = Field(default=0.05, ge=0, lt=1)
    """Share below which fewer workers are recommended, where there are at least two."""

    tail_factor: float = Field(default=20.0, gt=1)
    """How many medians the 99th percentile of a type may take."""

"""What callers ask of orchestration."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

from brain.orchestration.conditions import Condition
from brain.orchestration.graph import MOST_TASKS
from brain.runs import Priority

MOST_SECONDS = 30 * 24 * 3600
"""Longest deadline and budget of a run."""
MOST_MINOR = 10**12


class Strict(BaseModel):
    """Takes what it names and nothing else, and no text for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Retries(Strict):
    """How often a call that failed in a way that may pass is made again, and after which pauses."""

    max_attempts: int = Field(default=3, ge=1, le=20, description="calls in all")
    backoff_seconds: float = Field(
        default=1.0,
        ge=0,
        le=3600,
        description="longest pause after the first; each is drawn between none and its longest",
    )
    factor: float = Field(default=2.0, ge=1, le=10, description="by which each further one may be longer")
    max_backoff_seconds: float = Field(default=60.0, ge=0, le=24 * 3600, description="where that ends")


class Budget(Strict):
    """What a run may use up: the estimate of each call is reserved before it and settled after."""

    seconds: float | None = Field(default=None, gt=0, le=MOST_SECONDS, description="of calls, all together")
    money_minor: int | None = Field(default=None, ge=0, le=MOST_MINOR, description="in minor units of the currency")
    currency: Literal["USD"] = Field(default="USD", description="in which capabilities state their cost")

    @model_validator(mode="after")
    def _limits_something(self) -> Self:
        if self.seconds is None and self.money_minor is None:
            raise ValueError("must have `seconds`, `money_minor` or both")
        return self


class Terms(Strict):
    """Under which terms a run is made."""

    priority: Priority = Field(default="normal", description="`critical` needs a key with that scope")
    deadline_seconds: float | None = Field(
        default=None, gt=0, le=MOST_SECONDS, description="from acceptance to the end of the run; null: no deadline"
    )
    budget: Budget | None = None


class TaskRequest(Strict):
    """One call of a capability."""

    id: str | None = Field(default=None, description="`task1`, `task2`, … by its place where left out")
    type: str = Field(max_length=80, description="a capability", examples=["crypto_prediction"])
    params: dict[str, JsonValue] = Field(
        default_factory=dict, description="as the capability takes them; `${tasks.ID.result.NAME}` refers to a result"
    )
    depends_on: list[str] = Field(default_factory=list, max_length=MOST_TASKS, description="tasks that end before it")
    when: Condition | None = Field(default=None, description="skipped unless this holds")
    deadline_seconds: float | None = Field(
        default=None, gt=0, le=MOST_SECONDS, description="from acceptance of the run to the end of the task"
    )
    retries: Retries | None = None
    on_unknown: Literal["retry"] | None = Field(
        default=None,
        description="`retry` calls again where nobody knows whether a call that cannot be repeated was made",
    )


class OrchestrateRequest(Terms):
    """A graph of tasks."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tasks": [
                        {"id": "forecast", "type": "crypto_prediction", "params": {"symbol": "ETH"}},
                        {
                            "type": "crypto_prediction",
                            "params": {"symbol": "BTC"},
                            "when": {"ref": "${tasks.forecast.result.stale}", "op": "eq", "value": False},
                        },
                    ],
                    "priority": "high",
                }
            ]
        }
    )

    tasks: list[TaskRequest] = Field(min_length=1, max_length=MOST_TASKS)


class CoordinateRequest(Terms):
    """Work of several domains that belongs together."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"domains": ["crypto_prediction"], "task_specs": {"crypto_prediction": {"symbol": "ETH"}}}]
        }
    )

    domains: list[str] = Field(
        min_length=1, max_length=100, description="capabilities, or domains of several", examples=[["crypto"]]
    )
    task_specs: dict[str, dict[str, JsonValue]] = Field(
        default_factory=dict,
        description="by domain: the parameters of a capability; for a domain of several, parameters by capability",
    )

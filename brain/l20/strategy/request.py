"""What a caller asks of a plan, checked as far as it can be without playbooks."""

from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from brain.l20.strategy.order import LEAST_QUANTILE, MOST_QUANTILE, MOST_SECONDS, USUAL_QUANTILE, USUAL_SECONDS
from brain.l20.strategy.timeline import EXAMPLES, read_timeline

MOST_MINOR = 10**14
_BUDGET_SCHEMA: dict[str, object] = {
    "anyOf": [
        {"type": "number", "minimum": 0, "maximum": MOST_MINOR // 100},
        {
            "type": "object",
            "properties": {
                "amount_minor": {"type": "integer", "minimum": 0, "maximum": MOST_MINOR},
                "currency": {"type": "string", "pattern": "^[A-Z]{3}$", "default": "USD"},
            },
            "required": ["amount_minor"],
            "additionalProperties": False,
        },
        {"type": "null"},
    ]
}

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,47}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Money(_Strict):
    """An amount in whole minor units."""

    amount_minor: Annotated[int, Field(strict=True, ge=0, le=MOST_MINOR)]
    currency: str = Field(default="USD", pattern=r"^[A-Z]{3}$")


def _budget(value: object) -> float | Money | None:
    """Checked by hand, so that an error points at the field and not at a member of a union."""
    if value is None or isinstance(value, Money):
        return value
    if isinstance(value, dict):
        try:
            return Money.model_validate(value)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(f"{'/'.join(map(str, first['loc']))}: {first['msg']}") from error
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_MINOR / 100:
        raise ValueError(f"expected a number from 0 to {MOST_MINOR // 100}, or {{amount_minor, currency}}")
    if abs(value * 100 - round(value * 100)) > 1e-6 * max(1.0, value):
        raise ValueError("expected at most two decimals; minor units are whole")
    return float(value)


class Constraints(_Strict):
    """What the plan has to keep to; what is not said is not limited, or comes from the playbooks."""

    budget: Annotated[float | Money | None, PlainValidator(_budget), WithJsonSchema(_BUDGET_SCHEMA)] = Field(
        default=None,
        description="in the playbooks' currency, with at most two decimals; or minor units with a currency",
    )
    timeline: str | None = Field(
        default=None, max_length=80, description=f"from the start, by the calendar: {EXAMPLES}", examples=["30 days"]
    )
    resources: dict[Name, Annotated[int, Field(strict=True, ge=0, le=1_000_000)]] = Field(
        default_factory=dict,
        max_length=100,
        description="capacities: machines (`cpu`, `gpu`) or people by their role; the rest is the playbooks'",
    )

    @field_validator("timeline")
    @classmethod
    def _duration(cls, value: str | None) -> str | None:
        if value is not None:
            read_timeline(value)
        return value


class WorkingTime(_Strict):
    """Hours on which work is done, from Monday on, in UTC; 24 and 7 is always."""

    hours_per_day: Annotated[int, Field(strict=True, ge=1, le=24)] = 8
    days_per_week: Annotated[int, Field(strict=True, ge=1, le=7)] = 5


class StrategizeRequest(_Strict):
    """An objective and what it has to keep to."""

    objective: Annotated[str, Field(min_length=3, max_length=1000)] = Field(
        examples=["Launch new product with integrated marketing campaign"]
    )
    constraints: Constraints = Field(default_factory=Constraints)
    playbook: Name | None = Field(default=None, description="this playbook, whatever the objective's words say")
    playbooks: list[Name] = Field(default_factory=list, max_length=8, description="the same for several")
    domains: list[Name] = Field(default_factory=list, max_length=8, description="all playbooks of these domains")
    objective_function: Literal["makespan", "cost"] = Field(
        default="makespan", description="shortest, and cheapest among the shortest; or cheapest within the timeline"
    )
    solver_seconds: Annotated[float, Field(strict=True, ge=0, le=MOST_SECONDS)] = Field(
        default=USUAL_SECONDS, description="0: the heuristic's answer, within 200 ms of solving"
    )
    quantile: Annotated[float, Field(strict=True, ge=LEAST_QUANTILE, le=MOST_QUANTILE)] = Field(
        default=USUAL_QUANTILE, description="share of each task's durations that its time in the schedule covers"
    )
    starts_at: AwareDatetime | None = Field(default=None, description="now, unless it is said")
    calendar: WorkingTime = Field(default_factory=WorkingTime)
    execute: bool = Field(default=False, strict=True, description="hand what the platform can do to orchestration")
    seed: Annotated[int, Field(strict=True, ge=0, lt=2**31)] = 0

    @model_validator(mode="after")
    def _one_choice(self) -> Self:
        if sum(map(bool, (self.playbook, self.playbooks, self.domains))) > 1:
            raise ValueError("give one of playbook, playbooks and domains")
        return self

    @property
    def named(self) -> list[str]:
        """Playbooks that are asked for by name."""
        return [self.playbook] if self.playbook else self.playbooks

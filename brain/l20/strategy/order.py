"""What a run of kind `plan` is asked: its request, which the gateway has checked and the worker reads."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from brain.l20.strategy.outline import Outline

USUAL_QUANTILE = 0.75
USUAL_SECONDS = 5.0
MOST_SECONDS = 60.0
LEAST_QUANTILE, MOST_QUANTILE = 0.5, 0.95


ChosenBy = Literal["bm25", "embeddings", "llm", "request", "playbook"]
"""`request`: the caller named it; `playbook`: another one uses it."""


class Chosen(BaseModel):
    """A playbook of the plan and why it is there; `score` is None where it was not scored."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    name: str
    title: str
    score: float | None
    matched: tuple[str, ...]
    chosen_by: ChosenBy


class Warned(BaseModel):
    """Why the plan deserves less trust than usual."""

    model_config = ConfigDict(frozen=True, defer_build=True)

    code: str
    detail: str


class Order(BaseModel):
    """A plan to be made.

    Attributes:
        objective: In the caller's words.
        playbooks: What the outline was made of.
        outline: Tasks and means, before the caller's capacities.
        starts_at: When work begins, a full hour of work.
        timeline_hours: Hours of work until the end that was asked for; None: no end.
        timeline: That end in the caller's words.
        budget_minor: In the outline's currency; None: no limit.
        capacities: What the caller has of each resource; the rest is the playbooks'.
        quantile: Share of each task's durations that its time in the schedule covers.
        executable: Types of capabilities that are served.
    """

    model_config = ConfigDict(frozen=True, defer_build=True)

    objective: str
    playbooks: tuple[Chosen, ...]
    outline: Outline
    starts_at: datetime
    hours_per_day: int
    days_per_week: int
    timeline: str | None = None
    timeline_hours: int | None = None
    budget_minor: int | None = None
    capacities: Mapping[str, int] = Field(default_factory=dict)
    objective_function: Literal["makespan", "cost"] = "makespan"
    quantile: float = USUAL_QUANTILE
    solver_seconds: float = USUAL_SECONDS
    seed: int = 0
    execute: bool = False
    executable: tuple[str, ...] = ()
    warnings: tuple[Warned, ...] = ()

"""Bodies of the fraud routes, as the API's description shows them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Decision = Literal["accept", "review", "decline"]


class Thresholds(BaseModel):
    """Probabilities from which on a case is reviewed or declined."""

    review: float
    decline: float


class Reason(BaseModel):
    """What one feature adds to the score."""

    feature: str
    text: str = Field(examples=["9 transactions of the customer within 10 minutes"])
    value: float | str | None
    contribution: float


class FiredRule(BaseModel):
    """A rule whose conditions all held."""

    id: str
    action: Decision
    text: str


class AlertReference(BaseModel):
    """The alert that a decision raised."""

    id: str
    severity: str


class Warned(BaseModel):
    """Why the answer deserves less trust than usual."""

    code: str
    detail: str


class AnalyzeResponse(BaseModel):
    """A decision and what it rests on."""

    model_config = ConfigDict(protected_namespaces=(), extra="allow")

    id: str = Field(description="the decision's id, for `/api/v1/fraud/decisions/{id}`")
    kind: Literal["card", "network", "crypto"]
    transaction_id: str
    occurred_at: str
    probability: float = Field(ge=0, le=1, description="calibrated probability of fraud")
    score: float = Field(description="the same before calibration")
    decision: Decision
    thresholds: Thresholds
    reasons: list[Reason]
    reasons_explain: str | None = Field(description="what the contributions add up to; null without reasons")
    rules: list[FiredRule]
    alert: AlertReference | None
    model: str
    model_version: str
    learner: str
    rule_set: str = Field(description="name and digest of the rules in force; empty where there are none")
    warnings: list[Warned]
    sequence: int = Field(description="place in the decision log")
    latency_ms: float


class KnownLabel(BaseModel):
    """What became known about a case."""

    fraud: bool
    known_at: str
    sequence: int


class DecisionResponse(AnalyzeResponse):
    """A decision with all that it can be computed from again."""

    latency_ms: float | None = None  # type: ignore[assignment]
    model_decision: Decision = Field(description="what the thresholds alone say")
    rule_set_digest: str = Field(default="", description="under which the log keeps the text of the rules")
    features: dict[str, float | None]
    contributions: dict[str, float] | None
    expected: float | None
    state_sequences: list[int]
    head: int = Field(description="newest event of its customer and terminal that the decision knew")
    shadow: dict[str, object] | None = Field(description="what a challenger and trial rules said; never acted on")
    request: dict[str, object]
    committed_at: str
    label: KnownLabel | None

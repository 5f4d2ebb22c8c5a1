"""The schema of a rule set.

    name: cards
    detector: card
    lists:
      blocked_customers: ["C000017"]
    rules:
      - id: blocked-customer
        action: decline
        text: The customer is blocked.
        when:
          - {field: customer_id, in: blocked_customers}

Every condition under `when` must hold; `{any: [...]}` holds where one of its conditions does.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StrictFloat, StrictInt, StrictStr, field_validator, model_validator

Action = Literal["accept", "review", "decline"]
DetectorName = Literal["card", "network", "crypto"]

TIME_OF_DAY = "time_of_day"
"""The clock of `occurred_at` in UTC, as a subject of `between`."""

CARD_FIELDS = ("amount_minor", "currency", "customer_id", "terminal_id", TIME_OF_DAY)
NUMBERS = ("above", "at_least", "at_most", "below")
OPERATORS = (*NUMBERS, "in", "not_in", "between")

Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")]
Number = StrictInt | StrictFloat
Members = StrictStr | Annotated[list[StrictStr], Field(min_length=1)]
"""The name of a list, or its members."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Condition(_Strict):
    """One comparison: exactly one subject (`field`, `feature` or `probability`) and at least one operator."""

    field: str | None = None
    """A field of the request: for cards one of `CARD_FIELDS`."""

    feature: str | None = None
    """A feature of the model by name, such as a count within a window."""

    probability: Literal[True] | None = None
    """The model's calibrated probability of fraud."""

    above: Number | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    below: Number | None = None
    among: Members | None = Field(default=None, alias="in")
    not_among: Members | None = Field(default=None, alias="not_in")
    between: tuple[StrictStr, StrictStr] | None = None
    """Two times of day in UTC, `["22:00", "05:30"]`: from the first until before the second, over midnight too."""

    @field_validator("between")
    @classmethod
    def _clocks(cls, value: tuple[str, str] | None) -> tuple[str, str] | None:
        for text in value or ():
            minutes(text)
        return value

    @model_validator(mode="after")
    def _one_subject_and_an_operator(self) -> Self:
        subjects = [name for name in ("field", "feature", "probability") if getattr(self, name) is not None]
        if len(subjects) != 1:
            raise ValueError(f"expected one of field, feature, probability; got {' and '.join(subjects) or 'none'}")
        given = [name for name in OPERATORS if getattr(self, _ATTRIBUTES.get(name, name)) is not None]
        if not given:
            raise ValueError(f"expected a comparison: {', '.join(OPERATORS)}")
        wrong = [name for name in given if name not in self._fitting()]
        if wrong:
            raise ValueError(f"{wrong[0]!r} does not fit {self.subject}; it takes {', '.join(self._fitting())}")
        return self

    @property
    def subject(self) -> str:
        """What is compared, in words."""
        return f"field {self.field!r}" if self.field else f"feature {self.feature!r}" if self.feature else "probability"

    def _fitting(self) -> tuple[str, ...]:
        if self.field == TIME_OF_DAY:
            return ("between",)
        if self.field in ("currency", "customer_id", "terminal_id"):
            return ("in", "not_in")
        if self.field and self.field != "amount_minor":
            return (*NUMBERS, "in", "not_in")
        return NUMBERS


_ATTRIBUTES = {"in": "among", "not_in": "not_among"}


class Alternatives(_Strict):
    """Holds where one of its conditions does."""

    any: list[Condition] = Field(min_length=1)


class Rule(_Strict):
    """What to do when all of its conditions hold."""

    id: Name
    action: Action
    text: str = Field(min_length=1, max_length=300)
    """Why, for the person who reads the decision."""

    when: list[Condition | Alternatives] = Field(min_length=1)

    def conditions(self) -> list[Condition]:
        """Every condition, those of alternatives too."""
        return [one for item in self.when for one in (item.any if isinstance(item, Alternatives) else [item])]


class RuleSetDocument(_Strict):
    """A whole rule set."""

    name: Name
    detector: DetectorName
    description: str = ""
    lists: dict[str, list[StrictStr]] = {}
    """Members by the name that conditions use."""

    rules: list[Rule]


def minutes(text: str) -> int:
    """`"22:30"` as minutes since midnight; `"24:00"` is the end of the day.

    Raises:
        ValueError: It is no time of day.
    """
    hour, colon, minute = text.partition(":")
    if not (colon and hour.isdecimal() and minute.isdecimal() and len(hour) <= 2 and len(minute) == 2):
        raise ValueError(f"expected a time of day in quotes, such as '22:30', got {text!r}")
    total = int(hour) * 60 + int(minute)
    if int(minute) > 59 or total > 24 * 60:
        raise ValueError(f"there is no time of day {text!r}")
    return total

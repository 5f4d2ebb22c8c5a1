"""How much each factor counts."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

FACTORS = ("priority", "deadline", "value", "cost", "duration", "age", "unblocks", "fit")
"""In the order of the answer."""

Weight = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False, strict=True)]


class Weights(BaseModel):
    """A weight for each factor; their sum is divided out, so that scores lie between 0 and 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    priority: Weight = 4.0
    deadline: Weight = 3.0
    value: Weight = 2.0
    cost: Weight = 1.0
    duration: Weight = 1.0
    age: Weight = 1.0
    unblocks: Weight = 2.0
    fit: Weight = 1.0

    @model_validator(mode="after")
    def _usable(self) -> "Weights":
        if not any(self.by_factor().values()):
            raise ValueError("all weights are 0; at least one factor must count")
        return self

    def by_factor(self) -> Mapping[str, float]:
        """In the order of `FACTORS`."""
        return {name: getattr(self, name) for name in FACTORS}


class WeightChanges(BaseModel):
    """Weights that a request sets in place of the settings'; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    priority: Weight | None = None
    deadline: Weight | None = None
    value: Weight | None = None
    cost: Weight | None = None
    duration: Weight | None = None
    age: Weight | None = None
    unblocks: Weight | None = None
    fit: Weight | None = None

    def over(self, weights: Weights) -> Weights:
        """The settings' weights with these in their place.

        Raises:
            ValueError: No factor is left that counts.
        """
        return Weights.model_validate({**weights.by_factor(), **self.model_dump(exclude_none=True)})

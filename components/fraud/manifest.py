"""What a detector's version says of itself: the one place for the fields that only this family has."""

from collections.abc import Mapping
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from runtime.bundle import BundleError, BundleManifest


class FraudManifest(BaseModel):
    """What evaluation and serving need of a detector's bundle; `feature_names` are in the model's input order."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    detector: str
    learner: str
    label_delay_seconds: int
    costs: Mapping[str, float | None]
    feature_names: tuple[str, ...]
    feature_digest: str
    created_at: str

    @classmethod
    def of(cls, manifest: BundleManifest) -> Self:
        """The detector's side of a bundle's manifest; raise BundleError where it is of no detector."""
        try:
            return cls.model_validate(manifest.model_dump())
        except ValidationError as error:
            raise BundleError(f"the bundle of {manifest.name!r} does not describe a detector: {error}") from error

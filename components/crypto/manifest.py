"""What a forecaster says of itself: the one place for the fields that only this family has."""

from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError

from runtime.bundle import BundleError, BundleManifest
from runtime.signature import Signature, window_signature

TAGS = ("timeframe", "market")
"""The fields that stand in the registry as tags of a version."""


class CryptoManifest(BaseModel):
    """What scoring and serving need of a forecaster: the fields that a candidate and a released bundle share.

    `symbols` are series ids, `quantile_levels` ascend, `feature_names` are in the model's input order.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    network: str
    timeframe: str
    market: str
    symbols: tuple[str, ...]
    horizon_bars: int
    window_bars: int
    quantile_levels: tuple[float, ...]
    feature_names: tuple[str, ...]
    feature_digest: str
    data_digest: str

    @classmethod
    def of(cls, manifest: BundleManifest) -> Self:
        """The forecaster's side of a bundle's manifest; raise BundleError where it is of no forecaster."""
        try:
            return cls.model_validate(manifest.model_dump())
        except ValidationError as error:
            raise BundleError(f"the bundle of {manifest.name!r} does not describe a forecaster: {error}") from error

    @property
    def shapes(self) -> Signature:
        """The tensors of the graph: `window` [L, F] to `quantiles` [H, Q], ascending."""
        return window_signature(self.window_bars, len(self.feature_names), self.horizon_bars, len(self.quantile_levels))

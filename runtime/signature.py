"""What a model takes and gives, so that release can try a version out and know no family."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field


class TensorSignature(BaseModel):
    """One FP32 tensor; `shape` is that of one row, without the rows."""

    model_config = ConfigDict(frozen=True)

    name: str
    shape: tuple[int, ...]


class OutputSignature(TensorSignature):
    """One output: whether it may not fall along its last axis, and the least and greatest value it may hold."""

    ascending: bool = False
    low: float | None = None
    high: float | None = None


class Signature(BaseModel):
    """The tensors of `model.onnx`; every input ends in the features, in the order of `feature_names`."""

    model_config = ConfigDict(frozen=True)

    inputs: tuple[TensorSignature, ...] = Field(min_length=1)
    outputs: tuple[OutputSignature, ...] = Field(min_length=1)


def window_signature(window_bars: int, features: int, horizon_bars: int, levels: int) -> Signature:
    """A forecaster's: `window` [L, F] to `quantiles` [H, Q], which ascend."""
    return Signature(
        inputs=(TensorSignature(name="window", shape=(window_bars, features)),),
        outputs=(OutputSignature(name="quantiles", shape=(horizon_bars, levels), ascending=True),),
    )


def with_signature(manifest: Mapping[str, object]) -> dict[str, object]:
    """A stored manifest with its signature; those sealed before signatures were written are all of forecasters."""
    told = dict(manifest)
    window, horizon = told.get("window_bars"), told.get("horizon_bars")
    features, levels = told.get("feature_names"), told.get("quantile_levels")
    if "signature" in told or not (isinstance(window, int) and isinstance(horizon, int)):
        return told
    if isinstance(features, list) and isinstance(levels, list):
        told["signature"] = window_signature(window, len(features), horizon, len(levels)).model_dump()
    return told

"""One request's worth through a bundle, before anybody depends on it."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.release.errors import SmokeError
from runtime.bundle import Bundle

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

INPUT = "window"
OUTPUT = "quantiles"


@dataclass(frozen=True)
class SmokeReport:
    """A bundle answered: the shape `(N, H, Q)` of its quantiles and how long it took."""

    shape: tuple[int, ...]
    seconds: float


def smoke_score(bundle: Bundle, window: "NDArray[np.float32] | None" = None) -> SmokeReport:
    """Load the bundle's graph, score one window and check what comes out.

    Args:
        bundle: A verified bundle.
        window: FP32 [N, L, F]; by default one window whose every bar is the mean of the training data.

    Raises:
        SmokeError: The graph does not load, takes or gives another shape than the manifest says, or its quantiles are
            not finite or cross.
    """
    import numpy as np

    manifest = bundle.manifest
    rows = typical_window(bundle) if window is None else np.asarray(window, dtype=np.float32)
    expected = (manifest.window_bars, len(manifest.feature_names))
    if rows.ndim != 3 or rows.shape[1:] != expected or not len(rows):
        raise SmokeError(f"expected a window (N, {expected[0]}, {expected[1]}), got {rows.shape}")
    begun = time.perf_counter()
    answer = _run(bundle.path / "model.onnx", rows)
    seconds = time.perf_counter() - begun
    wanted = (len(rows), manifest.horizon_bars, len(manifest.quantile_levels))
    if answer.shape != wanted:
        raise SmokeError(f"{bundle.path / 'model.onnx'} answers {answer.shape}, its manifest says {wanted}")
    if not np.isfinite(answer).all():
        raise SmokeError(f"{int((~np.isfinite(answer)).sum())} of {answer.size} quantiles are not finite")
    crossing = int((np.diff(answer, axis=2) < 0).sum())
    if crossing:
        raise SmokeError(f"quantiles cross in {crossing} places; they must not fall along the last axis")
    return SmokeReport(tuple(int(size) for size in answer.shape), seconds)


def typical_window(bundle: Bundle) -> "NDArray[np.float32]":
    """FP32 [1, L, F]: every bar holds the training mean of each feature."""
    import numpy as np

    path = bundle.path / "input_statistics.json"
    statistics = json.loads(path.read_text())
    try:
        means = [float(statistics[name]["mean"]) for name in bundle.manifest.feature_names]
    except (KeyError, TypeError, ValueError) as error:
        raise SmokeError(f"{path} lacks the mean of a feature: {error}") from error
    return np.tile(np.array(means, dtype=np.float32), (1, bundle.manifest.window_bars, 1))


def _run(graph: Path, window: "NDArray[np.float32]") -> "NDArray[np.float32]":
    import numpy as np
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as raised

    refusals = (raised.Fail, raised.InvalidArgument, raised.InvalidGraph, raised.InvalidProtobuf, raised.NoSuchFile)
    failures = (raised.NotImplemented, raised.RuntimeException, ValueError)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        return np.asarray(session.run([OUTPUT], {INPUT: window})[0])
    except (*refusals, *failures) as error:
        raise SmokeError(f"{graph} could not be run: {error}") from error

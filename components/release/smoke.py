"""One request's worth through a bundle, before anybody depends on it."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.release.errors import SmokeError
from runtime.bundle import Bundle
from runtime.signature import OutputSignature, Signature

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Tensors = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class SmokeReport:
    """A bundle answered: the shape of every output, rows first, and how long it took."""

    shapes: Mapping[str, tuple[int, ...]]
    seconds: float


def smoke_score(bundle: Bundle, rows: "Tensors | None" = None) -> SmokeReport:
    """Load the bundle's graph, score one typical row and hold what comes out against the signature.

    Args:
        bundle: A verified bundle.
        rows: Input name to FP32 `[N, *shape]`; by default one row that holds the training mean of every feature.

    Raises:
        SmokeError: The graph does not load, takes or gives another shape than its signature says, or an output is not
            finite, falls where it must ascend or leaves its bounds.
    """
    signature = bundle.manifest.signature
    given = typical_rows(bundle) if rows is None else rows
    count = _check_rows(given, signature)
    begun = time.perf_counter()
    answers = _run(bundle.path / "model.onnx", given, [output.name for output in signature.outputs])
    seconds = time.perf_counter() - begun
    for output in signature.outputs:
        _check(answers[output.name], output, count)
    return SmokeReport({name: tuple(map(int, answer.shape)) for name, answer in answers.items()}, seconds)


def typical_rows(bundle: Bundle) -> "Tensors":
    """One row of every input, FP32 `[1, *shape]`: the training mean of each feature along the last axis."""
    import numpy as np

    names = bundle.manifest.feature_names
    path = bundle.path / "input_statistics.json"
    statistics = json.loads(path.read_text())
    try:
        means = np.array([float(statistics[name]["mean"]) for name in names], dtype=np.float32)
    except (KeyError, TypeError, ValueError) as error:
        raise SmokeError(f"{path} lacks the mean of a feature: {error}") from error
    rows = {}
    for one in bundle.manifest.signature.inputs:
        if not one.shape or one.shape[-1] != len(names):
            raise SmokeError(
                f"input {one.name!r} has rows {one.shape}, which must end in the {len(names)} features of the manifest"
            )
        rows[one.name] = np.array(np.broadcast_to(means, (1, *one.shape)))
    return rows


def _check_rows(rows: "Tensors", signature: Signature) -> int:
    wanted = {one.name: one.shape for one in signature.inputs}
    if rows.keys() != wanted.keys():
        raise SmokeError(f"expected the inputs {', '.join(wanted)}, got {', '.join(rows)}")
    for name, given in rows.items():
        if not given.ndim or given.shape[1:] != wanted[name] or not len(given):
            sizes = ", ".join(map(str, ("N", *wanted[name])))
            raise SmokeError(f"expected {name!r} as ({sizes}) with at least one row, got {given.shape}")
    return len(next(iter(rows.values())))


def _check(answer: "NDArray[np.float32]", output: OutputSignature, rows: int) -> None:
    import numpy as np

    wanted = (rows, *output.shape)
    if answer.shape != wanted:
        raise SmokeError(f"output {output.name!r} has shape {answer.shape}, its manifest says {wanted}")
    if not np.isfinite(answer).all():
        raise SmokeError(f"{int((~np.isfinite(answer)).sum())} of {answer.size} {output.name} are not finite")
    falling = int((np.diff(answer, axis=-1) < 0).sum()) if output.ascending else 0
    if falling:
        raise SmokeError(f"{output.name} fall in {falling} places; they must ascend along the last axis")
    low = -np.inf if output.low is None else output.low
    high = np.inf if output.high is None else output.high
    outside = int(((answer < low) | (answer > high)).sum())
    if outside:
        raise SmokeError(f"{outside} of {answer.size} {output.name} are outside {low:g} to {high:g}")


def _run(graph: Path, rows: "Tensors", outputs: list[str]) -> "dict[str, NDArray[np.float32]]":
    import numpy as np
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as raised

    refusals = (raised.Fail, raised.InvalidArgument, raised.InvalidGraph, raised.InvalidProtobuf, raised.NoSuchFile)
    failures = (raised.NotImplemented, raised.RuntimeException, ValueError)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    try:
        session = onnxruntime.InferenceSession(str(graph), options, providers=["CPUExecutionProvider"])
        answers = session.run(outputs, dict(rows))
    except (*refusals, *failures) as error:
        raise SmokeError(f"{graph} could not be run: {error}") from error
    return {name: np.asarray(answer) for name, answer in zip(outputs, answers, strict=True)}

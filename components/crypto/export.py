"""From a PyTorch forecaster to the ONNX bytes that are evaluated and served, shown to be the same function."""

import logging
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from components.crypto.dataset import Float32Array

if TYPE_CHECKING:
    from torch import nn

INPUT = "window"
OUTPUT = "quantiles"
MAX_BATCH_ROWS = 4096
VERIFIED_BATCHES = (1, 3, 64)
RELATIVE_TOLERANCE = 1e-5


class ExportError(RuntimeError):
    """The exported graph is not the model it was exported from."""


def export_onnx(model: "nn.Module", windows: Float32Array) -> bytes:
    """Export a model with a dynamic batch and prove on real windows that it computes the same.

    Args:
        model: Window FP32 [N, L, F] to quantiles FP32 [N, H, Q]; is put into evaluation mode.
        windows: At least three real windows, [n, L, F].

    Returns:
        The serialised graph, its weights inside; input `window`, output `quantiles`, up to 4096 rows at once.

    Raises:
        ExportError: ONNX Runtime and PyTorch differ by more than 1e-5 of a row's largest quantile at some batch size.
    """
    import torch

    model = model.cpu().eval()
    rows = torch.export.Dim("rows", min=1, max=MAX_BATCH_ROWS)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.onnx"
        level = logging.getLogger("torch.onnx").level
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        try:
            torch.onnx.export(
                model,
                (torch.from_numpy(windows[:3]),),
                path,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: rows},),
                dynamo=True,
                external_data=False,
                optimize=True,
                verbose=False,
            )
        finally:
            logging.getLogger("torch.onnx").setLevel(level)
        graph = path.read_bytes()
    verify_export(graph, model, windows)
    return graph


def verify_export(graph: bytes, model: "nn.Module", windows: Float32Array) -> float:
    """Compare ONNX Runtime with PyTorch at batches of 1, 3 and 64 rows; return the largest relative difference.

    Raises:
        ExportError: It exceeds 1e-5.
    """
    import torch

    run = Graph(graph)
    worst = 0.0
    for size in VERIFIED_BATCHES:
        batch = np.resize(windows, (size, *windows.shape[1:]))
        with torch.no_grad():
            expected = model(torch.from_numpy(batch)).numpy()
        found = run(batch)
        if found.shape != expected.shape or found.dtype != np.float32:
            raise ExportError(
                f"the exported graph gives {found.dtype} {found.shape}, expected float32 {expected.shape}"
            )
        scale = np.abs(expected).max(axis=(1, 2), keepdims=True)
        difference = float((np.abs(found - expected) / scale).max())
        if not difference <= RELATIVE_TOLERANCE:
            raise ExportError(
                f"ONNX Runtime and PyTorch differ by {difference:.2e} of the largest quantile at batch {size}; at most "
                f"{RELATIVE_TOLERANCE:.0e} is accepted"
            )
        worst = max(worst, difference)
    return worst


class Graph:
    """A graph opened in ONNX Runtime with one thread, as the predictor runs it."""

    def __init__(self, graph: bytes) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def __call__(self, windows: Float32Array) -> Float32Array:
        """Quantiles of a batch of windows."""
        quantiles: Float32Array = self._session.run([OUTPUT], {INPUT: windows})[0]
        return quantiles

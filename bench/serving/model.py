"""The model under measurement: an LSTM forecaster of the size trained here, with random weights, in a bundle."""

import json
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from feature_repo.crypto import FEATURE_NAMES, HORIZON_BARS, QUANTILE_LEVELS, WINDOW_BARS, feature_digest
from runtime.bundle import Bundle, write_bundle
from runtime.signature import window_signature

HIDDEN_UNITS = 64
MODEL = "crypto-forecast-1h"


def lstm_graph() -> bytes:
    """Window FP32 [N, 168, F] → LSTM(64) → steps that only add, so that quantiles ascend → quantiles [N, 24, 7]."""
    random = np.random.default_rng(7)
    features, levels = len(FEATURE_NAMES), len(QUANTILE_LEVELS)

    def weights(*shape: int) -> np.ndarray:
        return random.normal(0, 0.05, shape).astype(np.float32)

    constants = {
        "w": weights(1, 4 * HIDDEN_UNITS, features),
        "r": weights(1, 4 * HIDDEN_UNITS, HIDDEN_UNITS),
        "b": weights(1, 8 * HIDDEN_UNITS),
        "head": weights(HIDDEN_UNITS, HORIZON_BARS * levels),
        "first": np.array([0], np.int64),
        "shape": np.array([-1, HORIZON_BARS, levels], np.int64),
        "axis": np.array(2, np.int64),
        "scale": np.array(0.01, np.float32),
        "middle": np.array(0.03, np.float32),
    }
    nodes = [
        helper.make_node("Transpose", ["window"], ["sequence"], perm=[1, 0, 2]),
        helper.make_node("LSTM", ["sequence", "w", "r", "b"], ["", "state"], hidden_size=HIDDEN_UNITS),
        helper.make_node("Squeeze", ["state", "first"], ["last"]),
        helper.make_node("MatMul", ["last", "head"], ["flat"]),
        helper.make_node("Reshape", ["flat", "shape"], ["raw"]),
        helper.make_node("Softplus", ["raw"], ["steps"]),
        helper.make_node("Mul", ["steps", "scale"], ["small"]),
        helper.make_node("CumSum", ["small", "axis"], ["ascending"]),
        helper.make_node("Sub", ["ascending", "middle"], ["quantiles"]),
    ]
    graph = helper.make_graph(
        nodes,
        "lstm",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, ["N", WINDOW_BARS, features])],
        [helper.make_tensor_value_info("quantiles", TensorProto.FLOAT, ["N", HORIZON_BARS, levels])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def build_bundle(folder: Path, symbols: tuple[str, ...]) -> Bundle:
    """Write the bundle; `folder` must not exist."""
    sources = folder.with_name(folder.name + "-sources")
    sources.mkdir(parents=True)
    contents = {
        "model.onnx": lstm_graph(),
        "input_statistics.json": json.dumps(
            {name: {"mean": 0.0, "std": 1.0, "p001": -3.0, "p999": 3.0} for name in FEATURE_NAMES}
        ).encode(),
        "calibration.json": b"{}",
        "model_card.md": b"# Random weights, for measurement only\n",
        "report.html": b"<p>Random weights</p>",
    }
    for name, content in contents.items():
        (sources / name).write_bytes(content)
    manifest = {
        "family": "crypto",
        "name": MODEL,
        "network": "lstm",
        "timeframe": "1h",
        "market": "usdm-perp",
        "symbols": symbols,
        "horizon_bars": HORIZON_BARS,
        "window_bars": WINDOW_BARS,
        "quantile_levels": QUANTILE_LEVELS,
        "feature_names": FEATURE_NAMES,
        "feature_digest": feature_digest(),
        "data_digest": "bench",
        "code_revision": "bench",
        "created_at": "2024-01-01T00:00:00Z",
        "signature": window_signature(WINDOW_BARS, len(FEATURE_NAMES), HORIZON_BARS, len(QUANTILE_LEVELS)),
    }
    return write_bundle(folder, {name: sources / name for name in contents}, manifest)

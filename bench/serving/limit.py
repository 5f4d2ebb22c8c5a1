"""The limit: the session called in a loop, nothing around it: `python -m bench.serving.limit BUNDLE SECONDS`."""

import json
import sys
import time
from pathlib import Path

import numpy as np

from feature_repo.crypto import FEATURE_NAMES
from runtime.bundle import read_bundle
from serving.session import OnnxModel


def cpu_us_per_row(model: OnnxModel, window_bars: int, rows: int, seconds: float) -> float:
    """CPU microseconds a row at this batch size."""
    batch = np.random.default_rng(3).normal(0, 1, (rows, window_bars, len(FEATURE_NAMES))).astype(np.float32)
    model(batch)
    begun, calls, ended = time.process_time(), 0, time.perf_counter() + seconds
    while time.perf_counter() < ended:
        model(batch)
        calls += 1
    return (time.process_time() - begun) / (calls * rows) * 1e6


def main(folder: Path, seconds: float) -> None:
    """Measure batches of 1, 16 and 64 rows and write them as JSON."""
    manifest = read_bundle(folder).manifest
    model = OnnxModel(
        folder / "model.onnx",
        input_name="window",
        output_name="quantiles",
        row_shape=(manifest.window_bars, len(FEATURE_NAMES)),
        answer_shape=(manifest.horizon_bars, len(manifest.quantile_levels)),
    )
    print(json.dumps({rows: cpu_us_per_row(model, manifest.window_bars, rows, seconds) for rows in (1, 16, 64)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))

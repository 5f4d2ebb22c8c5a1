"""Everything that stands before the first request: recorded candles in a real Feast store, a bundle on disk."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.serving.model import MODEL, build_bundle
from components.crypto.features import build_features
from components.crypto.materialise import materialise_windows
from feature_repo.crypto import FEATURE_NAMES, WINDOW_BARS
from runtime.settings import REPOSITORY_ROOT
from serving.local_copy import Copy, LocalCopies

BARS_OF_HISTORY = 1200
RECORDED = REPOSITORY_ROOT / "components" / "crypto" / "data" / "candles_1h.parquet"
VERSION = "1"


@dataclass(frozen=True)
class Scene:
    """A state folder with windows and a version to serve, and the environment that points at it."""

    folder: Path
    bundle: Path
    symbols: tuple[str, ...]

    def environment(self, **settings: object) -> dict[str, str]:
        """What a server process is told; `settings` are the predictor's own."""
        return {
            **os.environ,
            "AIO_STATE_DIR": str(self.folder / "state"),
            "AIO_LOG_LEVEL": "WARNING",
            "OMP_NUM_THREADS": "1",
            "PREDICTOR_MODEL_VERSION": VERSION,
            **{f"PREDICTOR_{name.upper()}": str(value) for name, value in settings.items()},
        }


def set_up(folder: Path) -> Scene:
    """Build the scene in a process of its own, so that its libraries do not weigh on the measuring one."""
    environment = {**os.environ, "AIO_STATE_DIR": str(folder / "state"), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "bench.serving.scene", str(folder)]
    made = subprocess.run(command, env=environment, cwd=REPOSITORY_ROOT, check=True, stdout=subprocess.PIPE)
    symbols = tuple(json.loads(made.stdout.splitlines()[-1]))
    return Scene(folder, folder / "state" / "predictor" / MODEL / f"{VERSION}-bench", symbols)


def tensor_request(raw: bool) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a one-row request that carries its window, as raw bytes or as JSON."""
    window = np.random.default_rng(3).normal(0, 1, (1, WINDOW_BARS, len(FEATURE_NAMES))).astype(np.float32)
    tensor: dict[str, object] = {"name": "window", "datatype": "FP32", "shape": window.shape}
    if not raw:
        return json.dumps({"inputs": [{**tensor, "data": window.ravel().tolist()}]}).encode(), {}
    parameters = {"binary_data_size": window.nbytes}
    head = json.dumps(
        {"inputs": [{**tensor, "parameters": parameters}], "parameters": {"binary_data_output": True}}
    ).encode()
    return head + window.tobytes(), {"Inference-Header-Content-Length": str(len(head))}


def symbol_request(symbol: str) -> tuple[bytes, dict[str, str]]:
    """Body and headers of a request that names a symbol."""
    return json.dumps(
        {"inputs": [{"name": "symbol", "datatype": "BYTES", "shape": [1], "data": [symbol]}]}
    ).encode(), {}


def _build(folder: Path) -> list[str]:
    import pandas as pd

    candles = pd.read_parquet(RECORDED).groupby("unique_id", sort=True).tail(BARS_OF_HISTORY)
    candles.to_parquet(folder / "candles.parquet", index=False)
    build_features(folder / "candles.parquet", folder / "features.parquet")
    materialise_windows(folder / "candles.parquet", folder / "features.parquet")
    unique_ids = tuple(str(one) for one in candles["unique_id"].unique())
    root = folder / "state" / "predictor" / MODEL
    bundle = build_bundle(root / f"{VERSION}-bench", unique_ids)
    LocalCopies(root).remember(Copy(VERSION, bundle))
    return [one.rpartition(":")[2].partition("-")[0] for one in unique_ids]


if __name__ == "__main__":
    print(json.dumps(_build(Path(sys.argv[1]))))

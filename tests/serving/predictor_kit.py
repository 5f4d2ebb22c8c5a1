"""What tests of the predictor need: a small real forecaster, real bundles, and the machine's edges as folders."""

import json
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from feature_repo.crypto import FEATURE_NAMES, HORIZON_BARS, QUANTILE_LEVELS, WINDOW_BARS, feature_digest
from feature_repo.online import Window
from runtime.bundle import Bundle, write_bundle
from runtime.registry.port import ModelVersion, ModelVersionNotFoundError
from runtime.signature import window_signature

MODEL = "crypto-forecast-1h"
SYMBOLS = ("BTC", "ETH", "SOL")
UNIQUE_IDS = tuple(f"binance:usdm-perp:{symbol}-USDT" for symbol in SYMBOLS)
FEATURES = len(FEATURE_NAMES)
LEVELS = len(QUANTILE_LEVELS)


def onnx_forecaster(
    path: Path, *, window_bars: int = WINDOW_BARS, scale: float = 0.01, slow_matmul: int = 0, nan: bool = False
) -> Path:
    """Write a model: `tanh(m) * sqrt(9 - m) / 3 + scale * level * sqrt(step)`, m the mean of the last bar's features.

    The quantiles ascend where `scale` is positive and cross where it is negative; a row with m > 9 has no answer.
    `slow_matmul` multiplies matrices of that size to take time; `nan` spoils every answer.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    spread = np.linspace(-1, 1, LEVELS, dtype=np.float32)[None, None, :] * scale
    steps = np.sqrt(np.arange(1, HORIZON_BARS + 1, dtype=np.float32))[None, :, None]
    constants = {
        "table": (spread * steps * (np.nan if nan else 1)).astype(np.float32),
        "last": np.array(-1, np.int64),
        "axis1": np.array([1], np.int64),
        "nine": np.array(9, np.float32),
        "three": np.array(3, np.float32),
    }
    nodes = [
        helper.make_node("Gather", ["window", "last"], ["bar"], axis=1),
        helper.make_node("ReduceMean", ["bar", "axis1"], ["mean"], keepdims=1),
        helper.make_node("Tanh", ["mean"], ["bounded"]),
        helper.make_node("Sub", ["nine", "mean"], ["below_nine"]),
        helper.make_node("Sqrt", ["below_nine"], ["root"]),
        helper.make_node("Div", ["root", "three"], ["factor"]),
        helper.make_node("Mul", ["bounded", "factor"], ["centre"]),
        helper.make_node("Unsqueeze", ["centre", "axis1"], ["centre3"]),
        helper.make_node("Add", ["centre3", "table"], ["plain"]),
    ]
    if slow_matmul:
        constants |= {
            "identity": np.eye(slow_matmul, dtype=np.float32),
            "all": np.array([0, 1, 2], np.int64),
            "both": np.array([0, 1], np.int64),
            "zero": np.array(0, np.float32),
        }
        names = ["product0", *(f"product{number}" for number in range(1, 9))]
        nodes += [
            helper.make_node("ReduceMean", ["plain", "all"], ["seed"], keepdims=0),
            helper.make_node("Add", ["identity", "seed"], [names[0]]),
            *(
                helper.make_node("MatMul", [before, "identity"], [after])
                for before, after in zip(names, names[1:], strict=False)
            ),
            helper.make_node("ReduceMean", [names[-1], "both"], ["spent"], keepdims=0),
            helper.make_node("Mul", ["spent", "zero"], ["nothing"]),
            helper.make_node("Add", ["plain", "nothing"], ["quantiles"]),
        ]
    else:
        nodes.append(helper.make_node("Identity", ["plain"], ["quantiles"]))
    graph = helper.make_graph(
        nodes,
        "forecaster",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, ["N", window_bars, FEATURES])],
        [helper.make_tensor_value_info("quantiles", TensorProto.FLOAT, ["N", HORIZON_BARS, LEVELS])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def expected_quantiles(rows: NDArray[np.float32], scale: float = 0.01) -> NDArray[np.float32]:
    """What the model of `onnx_forecaster` answers, computed apart from it: `(N, H, Q)` for rows `(N, L, F)`."""
    mean = rows[:, -1].mean(axis=1)
    centre = np.tanh(mean) * np.sqrt(9 - mean) / 3
    spread = np.linspace(-1, 1, LEVELS, dtype=np.float32) * np.float32(scale)
    steps = np.sqrt(np.arange(1, HORIZON_BARS + 1, dtype=np.float32))
    answer: NDArray[np.float32] = centre[:, None, None] + (steps[:, None] * spread)[None]
    return answer


def make_bundle(
    folder: Path,
    *,
    network: str = "lstm",
    window_bars: int = WINDOW_BARS,
    scale: float = 0.01,
    slow_matmul: int = 0,
    nan: bool = False,
    **changes: object,
) -> Bundle:
    """Write a real bundle around a real model."""
    sources = folder.with_name(folder.name + "-sources")
    model = onnx_forecaster(
        sources / "model.onnx", window_bars=window_bars, scale=scale, slow_matmul=slow_matmul, nan=nan
    )
    statistics = {name: {"mean": 0.0, "std": 1.0, "p001": -3.0, "p999": 3.0} for name in FEATURE_NAMES}
    contents = {
        "input_statistics.json": json.dumps(statistics),
        "calibration.json": "{}",
        "model_card.md": "# A test model\n",
        "report.html": "<p>A report</p>",
    }
    files = {"model.onnx": model}
    for name, text in contents.items():
        (sources / name).write_text(text)
        files[name] = sources / name
    manifest: dict[str, object] = {
        "family": "crypto",
        "name": MODEL,
        "network": network,
        "timeframe": "1h",
        "market": "usdm-perp",
        "symbols": UNIQUE_IDS,
        "horizon_bars": HORIZON_BARS,
        "window_bars": window_bars,
        "quantile_levels": QUANTILE_LEVELS,
        "feature_names": FEATURE_NAMES,
        "feature_digest": feature_digest(),
        "data_digest": "0" * 12,
        "code_revision": "test",
        "created_at": "2024-01-01T00:00:00Z",
        "signature": window_signature(window_bars, FEATURES, HORIZON_BARS, LEVELS),
        **changes,
    }
    return write_bundle(folder, files, manifest)


def window(unique_id: str, *, ds: datetime | None = None, seed: int = 0) -> Window:
    """A window of plausible candles and features; the same arguments give the same window."""
    random = np.random.default_rng([seed, *unique_id.encode()])
    last = ds or datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
    closes = 100 * np.exp(np.cumsum(random.normal(0, 0.01, WINDOW_BARS)))
    epochs = last.timestamp() - 3600 * np.arange(WINDOW_BARS - 1, -1, -1)
    candles = np.stack([epochs, closes, closes * 1.01, closes * 0.99, closes, np.full(WINDOW_BARS, 5.0)], axis=1)
    features = random.normal(0, 1, (WINDOW_BARS, FEATURES)).astype(np.float32)
    return Window(unique_id, last, features, candles, float(closes[-1]))


def answer_as_told(folder: Path) -> None:
    """Wait for the seconds in the folder's file `slow`, and fail if it has a file `down`."""
    slow = folder / "slow"
    if slow.exists():
        time.sleep(float(slow.read_text()))
    if (folder / "down").exists():
        raise ConnectionError("secret-host:6379 refused the connection")


class FolderWindows:
    """An online store that is a folder: a file a series, `down` makes reads fail, `slow` holds seconds of delay."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def put(self, stored: Window) -> None:
        """Store a window, as a materialisation does."""
        partial = self.folder / "partial.npz"
        np.savez(
            partial,
            ds=np.array(stored.ds.timestamp()),
            window=stored.window,
            candles=stored.candles,
            last_close=np.array(stored.last_close),
        )
        partial.replace(self._file(stored.unique_id))

    def fill(self, unique_ids: Sequence[str] = UNIQUE_IDS, **arguments: object) -> None:
        """Store a window of every series."""
        for unique_id in unique_ids:
            self.put(window(unique_id, **arguments))  # type: ignore[arg-type]

    def read(self, unique_ids: Sequence[str]) -> list[Window | None]:
        """The reader's side."""
        answer_as_told(self.folder)
        return [self._read(unique_id) for unique_id in unique_ids]

    def _read(self, unique_id: str) -> Window | None:
        file = self._file(unique_id)
        if not file.exists():
            return None
        with np.load(file) as stored:
            return Window(
                unique_id,
                datetime.fromtimestamp(float(stored["ds"]), UTC),
                stored["window"],
                stored["candles"],
                float(stored["last_close"]),
            )

    def _file(self, unique_id: str) -> Path:
        return self.folder / (unique_id.replace(":", "_") + ".npz")


class FolderRegistry:
    """A registry of one model that is a folder of bundles with an alias file; `down` makes every call fail."""

    def __init__(self, folder: Path, model: str = MODEL) -> None:
        self.folder, self.model = folder, model
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, bundle: Bundle, *, champion: bool = True, tags: Mapping[str, str] | None = None) -> str:
        """Register a bundle as the next version and, unless told otherwise, make it champion."""
        version = str(1 + sum(1 for entry in self.folder.iterdir() if entry.name.isdigit()))
        bundle.path.rename(self.folder / version)
        all_tags = {"bundle_digest": bundle.digest, "network": bundle.manifest.network, **(tags or {})}
        (self.folder / f"{version}.tags.json").write_text(json.dumps(all_tags))
        if champion:
            self.set_alias(self.model, "champion", version)
        return version

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Move the alias."""
        self._reachable()
        partial = self.folder / "alias.partial"
        partial.write_text(version)
        partial.replace(self.folder / "alias")

    def by_alias(self, name: str, alias: str) -> ModelVersion | None:
        """The champion."""
        self._reachable()
        file = self.folder / "alias"
        return self.version(name, file.read_text()) if file.exists() else None

    def version(self, name: str, version: str) -> ModelVersion:
        """One version."""
        self._reachable()
        if name != self.model or not (self.folder / version).is_dir():
            raise ModelVersionNotFoundError(f"no version {version} of {name}")
        tags = json.loads((self.folder / f"{version}.tags.json").read_text())
        return ModelVersion(name, version, "run", tags)

    def download(self, version: ModelVersion, destination: Path) -> Path:
        """Copy the bundle."""
        import shutil

        self._reachable()
        return Path(shutil.copytree(self.folder / version.version, destination / "bundle"))

    def versions(self, name: str) -> Sequence[ModelVersion]:
        """Not asked by a predictor."""
        return []

    def register(self, name: str, bundle: Path, *, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        """Not asked by a predictor."""
        raise NotImplementedError

    def set_tag(self, name: str, version: str, key: str, value: str) -> None:
        """Not asked by a predictor."""
        raise NotImplementedError

    def _reachable(self) -> None:
        if (self.folder / "down").exists():
            raise ConnectionError("secret-registry:5500 refused the connection")

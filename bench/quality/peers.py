"""Peers from other libraries, in an environment of their own, so that theirs never decides ours."""

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from bench.quality.slices import HORIZONS, work_folder
from components.crypto.dataset import Dataset, IntArray
from feature_repo.crypto import QUANTILE_LEVELS
from runtime.settings import RuntimeSettings

SCRIPT = Path(__file__).with_name("peer_neuralforecast.py")
PACKAGES = ("neuralforecast==3.3.*", "pyarrow")
INSTALL_SECONDS = 900


class PeersMissingError(RuntimeError):
    """The peers' environment cannot be made; says why."""


def peer_python(given: Path | None) -> Path:
    """The interpreter that has neuralforecast: the one that was given, or one made in the state folder."""
    if given is not None:
        return given
    folder = RuntimeSettings().state_dir / "peers"
    python = folder / "bin" / "python"
    done = folder / "complete"
    if done.exists():
        return python
    uv = shutil.which("uv")
    if uv is None:
        raise PeersMissingError("uv is not on the path; install it or pass --peer-python")
    links = os.environ.get("PIP_FIND_LINKS", "")
    extra = ["--find-links", links] if links else []
    install = [uv, "pip", "install", "--quiet", "--python", str(python), *extra, "torch==2.13.0", *PACKAGES]
    for command in ([uv, "venv", "--quiet", "--clear", "--python", "3.11", str(folder)], install):
        result = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        if result.returncode:
            raise PeersMissingError(f"{' '.join(command[:4])} failed: {result.stderr.strip()[-500:]}")
    done.touch()
    return python


def peer_forecasts(
    python: Path, dataset: Dataset, rows: IntArray, test_bars: int, *, steps: int, limit_seconds: int
) -> dict[str, npt.NDArray[np.float32]]:
    """Quantiles [n, 3, Q] at `HORIZONS` for `rows`, by model; crossed quantiles are sorted in their favour."""
    output = work_folder() / "quality_peers.parquet"
    output.unlink(missing_ok=True)
    command = [python, SCRIPT, work_folder() / "quality_candles.parquet", test_bars, max(HORIZONS), steps, output]
    result = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, timeout=limit_seconds, check=False
    )
    if result.returncode or not output.exists():
        raise PeersMissingError(f"the peers failed: {result.stderr.strip()[-500:]}")
    found = pd.read_parquet(output)
    ids = np.array(dataset.unique_ids)[dataset.series_index[rows]]
    keys = pd.MultiIndex.from_arrays([ids, dataset.ds[rows]])
    forecasts = {}
    for name, table in found.groupby("model"):
        parts = []
        for horizon in HORIZONS:
            at = table[table["horizon"] == horizon].set_index(["unique_id", "ds"])
            parts.append(at[[str(level) for level in QUANTILE_LEVELS]].reindex(keys).to_numpy(np.float32))
        stacked = np.stack(parts, axis=1)
        if not np.isfinite(stacked).all():
            raise PeersMissingError(
                f"{name} forecast only {np.isfinite(stacked).all(axis=(1, 2)).mean():.0%} of the rows"
            )
        forecasts[f"neuralforecast {name}, {steps} steps"] = stacked
    return forecasts

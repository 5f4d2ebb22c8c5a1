"""`python -m serving crypto` against a real Feast store on SQLite and a real MLflow server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pytest
from predictor_kit import expected_quantiles, make_bundle

from feature_repo.crypto import WINDOW_BARS, feature_digest
from runtime.settings import REPOSITORY_ROOT, runtime_settings

MODEL = "serving-edges-1h"
RECORDED = REPOSITORY_ROOT / "components" / "crypto" / "data" / "candles_1h.parquet"


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIO_STATE_DIR", str(tmp_path / "state"))
    runtime_settings.cache_clear()
    yield tmp_path / "state"
    runtime_settings.cache_clear()


def materialise(folder: Path, bars: int) -> tuple[str, ...]:
    """Bring recorded candles, all but the last few hours of them, into the store of the state folder."""
    from components.crypto.features import build_features
    from components.crypto.materialise import materialise_windows

    candles = pd.read_parquet(RECORDED)
    candles = candles[candles["unique_id"].isin(["binance:usdm-perp:BTC-USDT", "binance:usdm-perp:ETH-USDT"])]
    candles = candles.groupby("unique_id").tail(1000).groupby("unique_id").head(bars)
    candles.to_parquet(folder / "candles.parquet", index=False)
    build_features(folder / "candles.parquet", folder / "features.parquet")
    return materialise_windows(folder / "candles.parquet", folder / "features.parquet").written


def test_it_serves_feasts_windows_with_mlflows_champion_and_follows_both(
    mlflow_server: str, state: Path, tmp_path: Path, free_port: Callable[[], int], wait_until: Callable[..., None]
) -> None:
    from mlflow import MlflowClient

    from feature_repo.online import FeastWindowReader
    from runtime.registry.factory import open_registry

    client = MlflowClient(mlflow_server)
    run_id = client.create_run(client.create_experiment(f"{MODEL}-{time.time_ns()}")).info.run_id
    registry = open_registry(mlflow_server)
    unique_ids = materialise(tmp_path, 990)

    def release(network: str, scale: float) -> str:
        bundle = make_bundle(tmp_path / network, network=network, scale=scale, name=MODEL, symbols=unique_ids)
        version = registry.register(MODEL, bundle.path, run_id=run_id, tags={"network": network}).version
        registry.set_alias(MODEL, "champion", version)
        return version

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {
        **os.environ,
        "AIO_MLFLOW_TRACKING_URI": mlflow_server,
        "PREDICTOR_HTTP_PORT": str(port),
        "PREDICTOR_GRPC_PORT": str(free_port()),
        "PREDICTOR_MODEL_NAME": MODEL,
        "PREDICTOR_POLL_SECONDS": "0.3",
        "OMP_NUM_THREADS": "1",
    }
    request = {"inputs": [{"name": "symbol", "datatype": "BYTES", "shape": [1], "data": ["eth"]}]}

    def answer() -> dict[str, object]:
        document = httpx.post(f"{url}/v2/models/{MODEL}/infer", json=request, timeout=10).raise_for_status().json()
        outputs = {one["name"]: np.array(one["data"]).reshape(one["shape"]) for one in document.pop("outputs")}
        return {**document, **outputs}

    def version() -> object:
        try:
            return httpx.get(f"{url}/ready", timeout=5).json().get("model_version")
        except httpx.TransportError:
            return None

    with (
        (tmp_path / "log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "serving", "crypto"], env=environment, cwd=REPOSITORY_ROOT, stderr=log, stdout=log
        ) as process,
    ):
        try:
            first = release("lstm", 0.01)
            wait_until(lambda: version() == first, 120, "the first champion")
            wait_until(lambda: httpx.get(f"{url}/ready").status_code == 200, 30, "readiness")
            (stored,) = FeastWindowReader(feature_digest()).read(["binance:usdm-perp:ETH-USDT"])
            assert stored is not None
            before = answer()
            np.testing.assert_allclose(before["quantiles"], expected_quantiles(stored.window[None]), atol=1e-5)
            assert before["as_of"][0] == stored.as_of.strftime("%Y-%m-%dT%H:%M:%SZ")  # type: ignore[index]
            assert before["last_close"][0] == stored.candles[-1, 4]  # type: ignore[index]
            assert len(stored.candles) == WINDOW_BARS
            assert httpx.get(f"{url}/ready").json()["features"]["stale"] is True, "recorded candles are old"

            second = release("transformer", 0.02)
            wait_until(lambda: version() == second, 30, "the second champion")
            after = answer()
            assert after["parameters"]["network"] == "transformer"  # type: ignore[index]
            assert after["as_of"] == before["as_of"]

            materialise(tmp_path, 1000)
            wait_until(lambda: answer()["as_of"] != before["as_of"], 10, "the refresh")
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0, (tmp_path / "log").read_text()

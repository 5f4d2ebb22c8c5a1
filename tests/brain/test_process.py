"""The gateway as a process: what it costs to start, how it ends, and what stops it from starting."""

import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PREDICT = "/api/v1/crypto/predict"
HEAVY = ("numpy", "pandas", "pyarrow", "torch", "onnxruntime", "mlflow", "feast", "kserve", "kfp", "great_expectations")

PROBE = """
import sys
sys.modules.setdefault("rich", None)
from brain.__main__ import main
from brain.app import create_app
from brain.security.keys import open_key_store
from brain.services import build_services
from brain.settings import BrainSettings
from runtime.logs import configure_logging
import brain.server
configure_logging("gateway")
settings = BrainSettings()
create_app(build_services(settings, open_key_store(settings.resolved_database_url)))
print(" ".join(name for name, module in sys.modules.items() if module is not None))
"""


def start(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a gateway that is expected to end by itself."""
    command = [sys.executable, "-m", "brain"]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd=REPOSITORY)


def test_it_is_built_without_loading_a_heavy_library(tmp_path: Path) -> None:
    environment = {**os.environ, "AIO_STATE_DIR": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", PROBE]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert not loaded & set(HEAVY), loaded & set(HEAVY)
    assert not loaded & {"rich", "sqlalchemy", "redis", "psycopg", "httpx"}, "loaded without need"
    assert "aiohttp" in loaded, "the probe tells what is loaded"


def test_sigterm_lets_the_request_in_hand_finish_and_takes_no_new_one(
    start_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = start_gateway(predictor.url)
    with gateway.client() as client:
        client.get("/api/v1/crypto/symbols")
    predictor.predictor.delay_seconds = 2.5
    with ThreadPoolExecutor(1) as pool, gateway.client() as client:
        answer = pool.submit(client.post, PREDICT, json={"symbol": "BTC"})
        time.sleep(0.5)
        with gateway.client() as other:
            assert other.get("/ready").status_code == 200
            gateway.process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            assert other.get("/ready").status_code == 503
        time.sleep(0.8)
        with pytest.raises(httpx.ConnectError), gateway.client() as late:
            late.get("/health")
        assert answer.result().status_code == 200
    assert gateway.process.wait(timeout=10) == 0


def test_a_second_gateway_on_the_same_sqlite_file_is_told_who_holds_it(
    start_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = start_gateway(predictor.url)
    second = start(gateway.environment)
    assert second.returncode == 1
    reason = json.loads(second.stderr.splitlines()[-1])["reason"]
    assert f"process {gateway.process.pid} (gateway on 127.0.0.1:0)" in reason and "brain.db.lock" in reason
    with gateway.client() as client:
        assert client.get("/health").status_code == 200


def test_after_kill_9_the_next_gateway_starts_and_every_key_still_opens(
    start_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = start_gateway(predictor.url, auth="required")
    key = gateway.create_key("predict", "status")
    with gateway.client(headers={"X-API-Key": key}) as client:
        assert client.get("/status").status_code == 200
    assert gateway.stop(signal.SIGKILL) == -signal.SIGKILL
    again = start_gateway(predictor.url, auth="required")
    with again.client(headers={"X-API-Key": key}) as client:
        assert client.post(PREDICT, json={"symbol": "BTC"}).status_code == 200
    with again.client() as client:
        assert client.get("/status").status_code == 401
    for log in (gateway.log, again.log):
        assert key not in log.read_text()
    secret = Path(gateway.environment["AIO_STATE_DIR"]) / "run" / "session.secret"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600 and len(secret.read_text()) >= 32


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        environment = {**os.environ, "AIO_STATE_DIR": str(tmp_path), "BRAIN_PORT": str(port)}
        done = start(environment)
    assert done.returncode == 1
    reason = json.loads(done.stderr.splitlines()[-1])["reason"]
    assert f"127.0.0.1:{port}" in reason and "BRAIN_PORT" in reason


def test_bound_beyond_loopback_it_asks_for_keys(start_gateway: Callable[..., Any], predictor: Any) -> None:
    gateway = start_gateway(predictor.url, host="0.0.0.0")
    port = re.search(r":(\d+)$", gateway.url)
    assert port is not None
    with httpx.Client(base_url=f"http://127.0.0.1:{port[1]}", trust_env=False) as client:
        assert client.post(PREDICT, json={"symbol": "BTC"}).status_code == 401
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize("secret", ["", "short"])
def test_outside_a_local_environment_a_session_secret_must_be_set(tmp_path: Path, secret: str) -> None:
    environment = {**os.environ, "AIO_STATE_DIR": str(tmp_path), "AIO_ENVIRONMENT": "production", "BRAIN_PORT": "0"}
    environment["BRAIN_DATABASE_URL"] = f"sqlite:///{tmp_path / 'brain.db'}"
    done = start({**environment, "BRAIN_AUTH": "required", "BRAIN_SESSION_SECRET": secret})
    assert done.returncode == 1
    assert "BRAIN_SESSION_SECRET" in json.loads(done.stderr.splitlines()[-1])["reason"]
    assert not (tmp_path / "run" / "session.secret").exists()


def test_outside_a_local_environment_the_database_must_be_named(tmp_path: Path) -> None:
    environment = {**os.environ, "AIO_STATE_DIR": str(tmp_path), "AIO_ENVIRONMENT": "production", "BRAIN_PORT": "0"}
    done = start({**environment, "BRAIN_SESSION_SECRET": "s" * 40})
    assert done.returncode == 1
    assert "BRAIN_DATABASE_URL" in json.loads(done.stderr.splitlines()[-1])["reason"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "setting",
    [
        {"BRAIN_PORT": "70000"},
        {"BRAIN_DATABASE_URL": "mysql://x"},
        {"BRAIN_CRYPTO_PREDICTORS": '{"7m": "http://127.0.0.1:1"}'},
        {"BRAIN_RATE_LIMIT": "many"},
    ],
    ids=lambda value: next(iter(value)),
)
def test_a_setting_that_cannot_be_is_refused_by_name(tmp_path: Path, setting: dict[str, str]) -> None:
    done = start({**os.environ, "AIO_STATE_DIR": str(tmp_path), "BRAIN_PORT": "0", **setting})
    assert done.returncode == 1
    name = next(iter(setting)).removeprefix("BRAIN_").lower()
    assert name in json.loads(done.stderr.splitlines()[-1])["reason"]

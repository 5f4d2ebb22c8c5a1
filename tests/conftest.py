"""What tests of every room may use: free ports, waiting, system packages, and servers started once a session."""

import contextlib
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis.configuration import set_hypothesis_home_dir

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")

_BINARIES = {"postgresql": "postgres", "redis-server": "redis-server", "nginx": "nginx", "chromium": "chromium"}

set_hypothesis_home_dir(Path(__file__).resolve().parents[1] / ".state" / "cache" / "hypothesis")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Async tests run on asyncio, as the processes do."""
    return "asyncio"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """A function that finds a port of the loopback which nobody listens on."""
    return _free_port


def _wait_until(true: Callable[[], bool], timeout_seconds: float = 30.0, what: str = "the condition") -> None:
    deadline = time.monotonic() + timeout_seconds
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not come true within {timeout_seconds} s")
        time.sleep(0.05)


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """A function that waits for a condition: `wait_until(true, timeout_seconds, what)`."""
    return _wait_until


def find_binary(package: str) -> Path | None:
    """Where a Debian package's main program is, or None if it is not installed."""
    name = _BINARIES.get(package, package)
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1]
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    return Path(found) if found else None


def _require(package: str) -> Path:
    binary = find_binary(package)
    if binary is None:
        reason = f"the Debian package {package} is not installed"
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    return binary


@pytest.fixture(scope="session")
def require_system_package() -> Callable[[str], Path]:
    """A function that gives a Debian package's program, or skips; under CI it fails instead."""
    return _require


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Honour `@pytest.mark.system("package")`."""
    for marker in item.iter_markers("system"):
        for package in marker.args:
            _require(package)


def _stop(process: subprocess.Popen[bytes], how: signal.Signals = signal.SIGTERM) -> None:
    """End a process that was started in a session of its own, and whatever it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, how)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=10)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _killed_in_fork(work: Callable[[Callable[..., None]], object], timeout_seconds: float = 120.0) -> None:
    child = multiprocessing.get_context("fork").Process(
        target=lambda: work(lambda *_args, **_kwargs: os.kill(os.getpid(), signal.SIGKILL))
    )
    child.start()
    child.join(timeout_seconds)
    if child.is_alive():
        child.kill()
        child.join()
        pytest.fail("the forked process did not come to the point where it was to be killed")
    assert child.exitcode == -signal.SIGKILL, f"the forked process ended with {child.exitcode}, not by kill -9"


@pytest.fixture(scope="session")
def killed_in_fork() -> Callable[..., None]:
    """A function that runs `work(die)` in a fork of this process, where `die(...)` is kill -9 of the fork.

    A fork has the heavy libraries loaded already; it must open its own database connections.
    """
    return _killed_in_fork


@contextlib.contextmanager
def running_mlflow(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """An MLflow server on SQLite and a folder, artifacts proxied."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{folder / 'mlflow.db'}", "--serve-artifacts"]
    command += ["--artifacts-destination", str(folder / "artifacts")]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    environment |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder, env=environment, start_new_session=True)
    try:

        def up() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"MLflow ended at once: {(folder / 'server.log').read_text()[-2000:]}")
            return _answers(f"http://127.0.0.1:{port}/health")

        _wait_until(up, 240, "MLflow's health")
        yield process
    finally:
        _stop(process)


@pytest.fixture(scope="session")
def mlflow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of an MLflow server that lives as long as the session; use model and experiment names of your own."""
    port = _free_port()
    with running_mlflow(tmp_path_factory.mktemp("mlflow"), port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Address of a PostgreSQL server of this session, started from Debian's programs as a user that is not root."""
    server = _require("postgresql")
    folder = Path(tempfile.mkdtemp(prefix="aio-postgres-"))
    as_user: dict[str, object] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
    port = _free_port()
    try:
        initdb = [str(server.with_name("initdb")), "-D", str(folder / "data"), "-U", "aio", "-A", "trust", "-N"]
        subprocess.run([*initdb, "-E", "UTF8", "--locale=C"], check=True, capture_output=True, cwd=folder, **as_user)
        options = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off"]
        command = [str(server), "-D", str(folder / "data"), *(part for option in options for part in ("-c", option))]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder, start_new_session=True, **as_user
        )
        try:
            ready = [str(server.with_name("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(port)]
            _wait_until(lambda: subprocess.run(ready, check=False).returncode == 0, 60, "PostgreSQL")
            yield f"postgresql://aio@127.0.0.1:{port}/postgres"
        finally:
            _stop(process, signal.SIGINT)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_database(postgres_url: str) -> Iterator[str]:
    """Address of an empty PostgreSQL database that is dropped after the test."""
    import psycopg

    name = f"test_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        yield postgres_url.rpartition("/")[0] + f"/{name}"
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Address of an empty database, of SQLite and then of PostgreSQL; SQLite's folder is not made yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'deep' / 'test.db'}"
    found: str = request.getfixturevalue("postgres_database")
    return found


def _tiny_forecaster(
    *, window_bars: int = 4, features: int = 2, horizon_bars: int = 3, quantiles: int = 3, gain: float = 0.1
) -> bytes:
    """ONNX: the window's mean, scaled by `gain`, plus a fan of quantiles that widens with the horizon."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    fan = np.outer(np.sqrt(np.arange(1, horizon_bars + 1)), np.linspace(-1, 1, quantiles)).astype(np.float32)
    constants = {
        "gain": np.array(gain, dtype=np.float32),
        "fan": fan[None],
        "axes": np.array([1, 2], dtype=np.int64),
    }
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["window", "axes"], ["mean"], keepdims=1),
            helper.make_node("Mul", ["mean", "gain"], ["centre"]),
            helper.make_node("Add", ["centre", "fan"], ["quantiles"]),
        ],
        "tiny",
        [helper.make_tensor_value_info("window", TensorProto.FLOAT, ["n", window_bars, features])],
        [helper.make_tensor_value_info("quantiles", TensorProto.FLOAT, ["n", horizon_bars, quantiles])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


@pytest.fixture(scope="session")
def tiny_forecaster() -> Callable[..., bytes]:
    """A function that makes a real, small ONNX forecaster: window FP32 [N, L, F] to quantiles FP32 [N, H, Q]."""
    return _tiny_forecaster


@pytest.fixture
def write_tiny_bundle(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a bundle of the tiny forecaster: `write_tiny_bundle(name, **manifest_fields)`."""
    from runtime.bundle import write_bundle
    from runtime.signature import window_signature

    def write(name: str = "bundle", **fields: object) -> Path:
        sources = tmp_path / f"{name}-sources"
        sources.mkdir()
        contents = {
            "model.onnx": _tiny_forecaster(),
            "input_statistics.json": b'{"a": {"mean": 0, "std": 1, "p001": -3, "p999": 3}}',
            "calibration.json": b"{}",
            "model_card.md": b"# Tiny\n",
            "report.html": b"<!doctype html><title>report</title>",
        }
        for file, content in contents.items():
            (sources / file).write_bytes(content)
        manifest: dict[str, object] = {
            "family": "tiny",
            "name": "tiny-forecast-1h",
            "network": "tiny",
            "timeframe": "1h",
            "market": "usdm-perp",
            "symbols": ["BTC", "ETH"],
            "horizon_bars": 3,
            "window_bars": 4,
            "quantile_levels": [0.1, 0.5, 0.9],
            "feature_names": ["a", "b"],
            "feature_digest": "f" * 12,
            "data_digest": "d" * 64,
            "code_revision": "c" * 40,
            "created_at": "2026-01-01T00:00:00+00:00",
            "signature": window_signature(4, 2, 3, 3),
        }
        files = {file: sources / file for file in contents}
        return write_bundle(tmp_path / name, files, {**manifest, **fields}).path

    return write

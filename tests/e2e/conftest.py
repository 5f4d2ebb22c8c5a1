"""One platform for the whole folder: brought up as a user would, its first training killed half-way."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Platform:
    """A platform under test: its state folder, its ports and what its commands printed."""

    state: Path
    ports: dict[str, int]
    output: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        named = {f"LOCAL_{name.upper()}_PORT": str(port) for name, port in self.ports.items()}
        return {**os.environ, **named, "AIO_STATE_DIR": str(self.state), "COLUMNS": "160"}

    @property
    def gateway(self) -> str:
        return f"http://127.0.0.1:{self.ports['gateway']}"

    @property
    def mlflow(self) -> str:
        return f"http://127.0.0.1:{self.ports['mlflow']}"

    @property
    def predictor(self) -> str:
        return f"http://127.0.0.1:{self.ports['crypto']}"

    def command(self, *words: str, module: str = "local", timeout: float = 1500) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", module, *words],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        self.output.append(done.stdout)
        return done

    def process(self, *needles: str) -> psutil.Process:
        """The running process of this state folder whose command line holds every needle."""
        return self.processes(*needles)[0]

    def processes(self, *needles: str) -> Sequence[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            try:
                line = " ".join(process.cmdline())
                if all(needle in line for needle in needles) and self._mine(process):
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def _mine(self, process: psutil.Process) -> bool:
        return process.environ().get("AIO_STATE_DIR") == str(self.state)

    def analyze(self, **fields: object) -> httpx.Response:
        return httpx.post(f"{self.gateway}/api/v1/fraud/analyze", json=fields, timeout=30)

    def predict(self, symbol: str = "BTC", **body: object) -> httpx.Response:
        return httpx.post(f"{self.gateway}/api/v1/crypto/predict", json={"symbol": symbol, **body}, timeout=30)

    def champion(self) -> str | None:
        answer = httpx.get(
            f"{self.mlflow}/api/2.0/mlflow/registered-models/alias",
            params={"name": "crypto-forecast-1h", "alias": "champion"},
            timeout=30,
        )
        return answer.json()["model_version"]["version"] if answer.is_success else None


def _eventually(holds: Callable[[], object], seconds: float = 90) -> bool:
    """Ask again and again until it holds or the time is over; connection errors count as no."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if holds():
                return True
        except (httpx.HTTPError, psutil.Error, IndexError, json.JSONDecodeError):
            pass
        time.sleep(0.25)
    return False


def _free_ports(names: Sequence[str]) -> dict[str, int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    ports = {name: one.getsockname()[1] for name, one in zip(names, sockets, strict=True)}
    for one in sockets:
        one.close()
    return ports


def _kill_in_mid_training(platform: Platform) -> None:
    """Start `up`, wait for a checkpoint, and kill -9 everything that belongs to it."""
    starting = subprocess.Popen(
        [sys.executable, "-m", "local", "up"], cwd=ROOT, env=platform.environment, stdout=subprocess.DEVNULL
    )
    try:
        began = _eventually(lambda: any((platform.state / "objects" / "training").rglob("*.pt")), seconds=900)
        second = platform.command("up", timeout=60)
        platform.second_up = second  # type: ignore[attr-defined]
    finally:
        for process in (
            *platform.processes("pipelines"),
            *platform.processes("kfp"),
            *platform.processes("supervisord"),
        ):
            if process.is_running():
                process.send_signal(signal.SIGKILL)
        starting.kill()
        starting.wait(30)
    assert began, "training left no checkpoint within fifteen minutes"


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    state = tmp_path_factory.mktemp("s")
    names = ("gateway", "worker", "crypto", "crypto_grpc", "fraud", "fraud_grpc", "fraud_features", "mlflow")
    one = Platform(state, _free_ports(names))
    try:
        _kill_in_mid_training(one)
        one.up = one.command("up")  # type: ignore[attr-defined]
        assert one.up.returncode == 0, one.output[-1][-5000:]  # type: ignore[attr-defined]
        yield one
    finally:
        one.command("down", timeout=120)


@pytest.fixture(scope="session")
def eventually() -> Callable[..., bool]:
    return _eventually

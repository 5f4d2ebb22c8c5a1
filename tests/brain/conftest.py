"""A gateway process, and the predictor's side of the wire."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from brain.app import create_app
from brain.fraud.settings import FraudSettings
from brain.runs.store import SqlRunStore
from brain.security.keys import ApiKey, open_key_store
from brain.services import build_services, running
from brain.settings import BrainSettings
from runtime.api_keys import generate_key, hash_key
from tests.support.floor import Floor, Toys
from tests.support.receiver import Receiver
from tests.support.watched import FLAGS, Watched
from tests.support.wire import WirePredictor, WireServer

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def predictor() -> Iterator[WireServer]:
    """A predictor's wire server, fresh for each test; `predictor.predictor` changes what it answers."""
    server = WireServer(WirePredictor()).start()
    yield server
    server.stop()


@dataclass
class Gateway:
    """A running gateway process."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path
    environment: dict[str, str]

    def client(self, **options: object) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=30, trust_env=False, **options)

    def keys(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `python -m brain keys …` on this gateway's store."""
        command = [sys.executable, "-m", "brain", "keys", *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=60, cwd=REPOSITORY)

    def create_key(self, *scopes: str) -> str:
        done = self.keys("create", "--name", "test", *(part for scope in scopes for part in ("--scope", scope)))
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(timeout=30)


def gateway_environment(state: Path, predictor_url: str, **settings: str) -> dict[str, str]:
    """The environment of a gateway that keeps its state in `state`; settings are named without their prefix."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BRAIN_", "AIO_"))}
    ours = {
        "AIO_STATE_DIR": str(state),
        "BRAIN_PORT": "0",
        "BRAIN_CRYPTO_PREDICTORS": json.dumps({"1h": predictor_url}),
        "BRAIN_MLFLOW_URL": predictor_url,
        "BRAIN_FRAUD_PREDICTOR_URL": predictor_url,
        "BRAIN_STATUS_CACHE_SECONDS": "0",
        "PYTHONPATH": str(REPOSITORY),
    }
    return kept | ours | {f"BRAIN_{name.upper()}": value for name, value in settings.items()}


def listening_url(process: subprocess.Popen[bytes], log: Path) -> str:
    """Where a gateway says that it listens, once it does."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for line in log.read_text().splitlines():
            if '"gateway listens"' in line:
                return str(json.loads(line)["url"])
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"the gateway does not listen: {log.read_text()[-3000:]}")


@contextlib.contextmanager
def running_gateway(folder: Path, predictor_url: str, **settings: str) -> Iterator[Gateway]:
    """A real gateway process on a free port."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = gateway_environment(folder / "state", predictor_url, **settings)
    log = folder / f"gateway-{time.monotonic_ns()}.log"
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "brain"]
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=environment, cwd=REPOSITORY)
    gateway = Gateway(process, "", log, environment)
    try:
        gateway.url = listening_url(process, log)
        with gateway.client() as client:
            client.get("/health").raise_for_status()
        yield gateway
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=10)


@contextlib.contextmanager
def running_worker(environment: dict[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A real worker process with the environment of a gateway."""
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "brain.worker"]
        own = environment | {"BRAIN_WORKER_PORT": "0"}
        process = subprocess.Popen(command, stdout=stream, stderr=stream, env=own, cwd=REPOSITORY)
    try:
        until = time.monotonic() + 60
        while '"worker listens"' not in log.read_text():
            assert process.poll() is None and time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.05)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.fixture
def start_gateway(tmp_path: Path) -> Iterator[Callable[..., Gateway]]:
    """A function that starts a gateway for this test: `start_gateway(predictor_url, **settings)`."""
    with contextlib.ExitStack() as stack:

        def start(predictor_url: str, folder: Path | None = None, **settings: str) -> Gateway:
            return stack.enter_context(running_gateway(folder or tmp_path / "gateway", predictor_url, **settings))

        yield start


@pytest.fixture(scope="module")
def module_predictor() -> Iterator[WireServer]:
    """A predictor's wire server for a whole file; tests put back what they change."""
    server = WireServer(WirePredictor()).start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def gateway(module_predictor: WireServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway without authentication for a whole file."""
    with running_gateway(tmp_path_factory.mktemp("gateway"), module_predictor.url) as running:
        yield running


@pytest.fixture(scope="module")
def worker(gateway: Gateway, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One worker beside the file's gateway."""
    with running_worker(gateway.environment, tmp_path_factory.mktemp("worker") / "worker.log"):
        yield


@pytest.fixture
def client(gateway: Gateway) -> Iterator[httpx.Client]:
    """Asks the file's gateway."""
    with gateway.client() as opened:
        yield opened


@pytest.fixture(scope="module")
def browser(require_system_package: Callable[[str], Path]) -> Iterator[Any]:
    """Chromium, one for a whole file."""
    binary = require_system_package("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(binary), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def watched(browser: Any) -> Iterator[Watched]:
    """A page of the browser, for one test."""
    found = Watched(browser)
    yield found
    found.context.close()


@dataclass
class InProcess:
    """A gateway within the test's own process: the same application, asked without a socket."""

    client: httpx.AsyncClient
    services: Any

    def create_key(self, *scopes: str, days: float | None = None) -> str:
        """Keep a new key and return its plain text."""
        plain, digest = generate_key()
        now = datetime.now(UTC)
        ends = None if days is None else now + timedelta(days=days)
        key = ApiKey(f"key_{digest[:12]}", "test", frozenset(scopes), now, ends)
        self.services.keys.add(key, digest)
        return plain

    @staticmethod
    def id_of(plain: str) -> str:
        return f"key_{hash_key(plain)[:12]}"


@pytest.fixture
def runs_url(tmp_path: Path) -> str:
    """Where `floor` and `store` keep their runs; a file that wants another database has a fixture of this name."""
    return f"sqlite:///{tmp_path / 'runs.db'}"


@pytest.fixture
def store(runs_url: str) -> Iterator[SqlRunStore]:
    """Runs in which the test plays the worker itself."""
    opened = SqlRunStore(runs_url)
    yield opened
    opened.close()


@pytest.fixture
async def floor(runs_url: str) -> AsyncIterator[Floor]:
    """A worker's floor with the toys as its capabilities."""
    made = Floor(runs_url, Toys())
    yield made
    made.store.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Where alerts are delivered to."""
    started = Receiver().start()
    yield started
    started.stop()


@pytest.fixture
async def open_gateway(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """A function that opens a gateway in this process: `await open_gateway(predictor_url, **settings)`."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(predictor_url: str = "http://127.0.0.1:9", **settings: Any) -> InProcess:
            fraud = {
                "predictor_url": predictor_url,
                "database_url": f"sqlite:///{tmp_path / 'decisions.db'}",
                "mirror_grace_seconds": 0,
                **{name[6:]: settings.pop(name) for name in list(settings) if name.startswith("fraud_")},
            }
            given = {
                "fraud": FraudSettings(**fraud),
                "crypto_predictors": {"1h": predictor_url},
                "mlflow_url": predictor_url,
                "database_url": f"sqlite:///{tmp_path / 'brain.db'}",
                "session_secret": "s" * 40,
                "status_cache_seconds": 0,
                **settings,
            }
            chosen = BrainSettings(_env_file=None, **given)
            services = build_services(chosen, open_key_store(chosen.resolved_database_url))
            await stack.enter_async_context(running(services))
            transport = httpx.ASGITransport(create_app(services), client=("127.0.0.1", 50_000))
            client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000")
            return InProcess(await stack.enter_async_context(client), services)

        yield start

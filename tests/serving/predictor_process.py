"""Starts a real predictor process on free ports and looks at it from outside."""

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from fraud_kit import FolderRegistries, FolderStates, bundle_of
from predictor_kit import MODEL, FolderRegistry, FolderWindows, make_bundle

PROCESS = Path(__file__).with_name("predictor_main.py")


@dataclass
class Running:
    """A predictor process and the edges of its machine."""

    folder: Path
    http_port: int
    grpc_port: int
    environment: dict[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    script: Path = PROCESS

    @property
    def url(self) -> str:
        """REST address."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def infer_url(self) -> str:
        """V2 inference."""
        return f"{self.url}/v2/models/{MODEL}/infer"

    @property
    def predict_url(self) -> str:
        """V1 prediction."""
        return f"{self.url}/v1/models/{MODEL}:predict"

    @property
    def grpc_target(self) -> str:
        """gRPC address."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def windows(self) -> FolderWindows:
        """The online store."""
        return FolderWindows(self.folder / "windows")

    @property
    def registry(self) -> FolderRegistry:
        """The model registry."""
        return FolderRegistry(self.folder / "registry")

    def release(self, name: str, **arguments: object) -> str:
        """Register a bundle made by `kit.make_bundle` and make it champion."""
        return self.registry.add(make_bundle(self.folder / name, **arguments))  # type: ignore[arg-type]

    def start(self, **settings: object) -> "Running":
        """Start the process; does not wait."""
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "AIO_STATE_DIR": str(self.folder / "state"),
            "PREDICTOR_HTTP_PORT": str(self.http_port),
            "PREDICTOR_GRPC_PORT": str(self.grpc_port),
            "PREDICTOR_POLL_SECONDS": "0.2",
            "PREDICTOR_FEATURE_TTL_SECONDS": "0.2",
            **self.environment,
            **{f"PREDICTOR_{name.upper()}": str(value) for name, value in settings.items()},
        }
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, self.script, self.folder], env=environment, stderr=log, stdout=log
        )
        return self

    def log(self) -> str:
        """What the process has written."""
        return (self.folder / "log").read_text()

    def get(self, path: str) -> httpx.Response | None:
        """GET, or None while nobody listens."""
        try:
            return httpx.get(self.url + path, timeout=5)
        except httpx.TransportError:
            return None

    def status(self, path: str = "/ready") -> int:
        """Status of a GET; 0 while nobody listens."""
        response = self.get(path)
        return 0 if response is None else response.status_code

    def stop(self, number: int = signal.SIGTERM, timeout: float = 30) -> int:
        """Send a signal and wait for the end."""
        if self.process is None:
            return 0
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(timeout)


@dataclass
class RunningFraud(Running):
    """A fraud predictor process and the edges of its machine."""

    script: Path = PROCESS.with_name("fraud_main.py")

    @property
    def states(self) -> FolderStates:
        """The online store."""
        return FolderStates(self.folder / "states")

    def infer(self, model: str, inputs: "list[dict[str, object]]", **parameters: object) -> httpx.Response:
        """Ask a model in the V2 protocol."""
        body = {"inputs": inputs, "parameters": parameters}
        return httpx.post(f"{self.url}/v2/models/{model}/infer", json=body, timeout=30)

    def adopt(self, candidate: Path, name: str) -> str:
        """Seal a candidate, register it and make it champion."""
        bundle = bundle_of(candidate, self.folder / name)
        return FolderRegistries(self.folder / "registry").of(bundle.manifest.name).add(bundle)

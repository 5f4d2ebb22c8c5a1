"""The toy pipeline, and a server that keeps what it was sent."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pipelines.wiring import Pipeline, pipeline
from runtime.settings import RuntimeSettings
from tests.support.toy import toy_wiring


@pytest.fixture(scope="session")
def toy() -> Pipeline:
    return pipeline(name="toy", cron="5 * * * *", choices={"text": ("go", "stop")})(toy_wiring)


@pytest.fixture
def runtime(tmp_path: Path) -> RuntimeSettings:
    return RuntimeSettings(state_dir=tmp_path / "state", mlflow_tracking_uri="http://127.0.0.1:9")


@dataclass
class Recorded:
    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, object]


@dataclass
class RecordingServer:
    """Answers by (method, path prefix) and keeps what it was sent."""

    url: str
    answers: dict[tuple[str, str], tuple[int, object]] = field(default_factory=dict)
    requests: list[Recorded] = field(default_factory=list)

    def sent(self, method: str, prefix: str) -> list[Recorded]:
        return [one for one in self.requests if one.method == method and one.path.startswith(prefix)]

    def answer(self, method: str, path: str) -> tuple[int, object]:
        matching = [key for key in self.answers if key[0] == method and path.startswith(key[1])]
        return self.answers[max(matching, key=lambda key: len(key[1]))] if matching else (404, {"message": "no route"})


@pytest.fixture
def recording_server() -> Iterator[RecordingServer]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            text = self.rfile.read(length)
            body = json.loads(text) if text.strip().startswith(b"{") else {}
            recorder.requests.append(Recorded(self.command, self.path, dict(self.headers), body))
            status, content = recorder.answer(self.command, self.path)
            payload = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_DELETE = do_PATCH = do_PUT = _serve  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorder = RecordingServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield recorder
    server.shutdown()
    server.server_close()

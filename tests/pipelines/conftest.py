"""A small real pipeline with artifacts, a condition, an exit task and a step that can be told to fail."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from kfp import dsl

from components.step import step
from pipelines.wiring import Pipeline, on_accelerator, pipeline
from runtime.settings import RuntimeSettings


@step
def make(text: str, made: dsl.Output[dsl.Dataset]) -> bool:
    """Write a text and tell whether it is `go`."""
    from pathlib import Path

    from components.step_run import report_progress, step_process

    with step_process("make"):
        report_progress("half way")
        Path(made.path).write_text(text)
        return text == "go"


@step
def use(made: dsl.Input[dsl.Dataset], names: list[str], fail: bool, seconds: float) -> str:
    """Read the text back, slowly if told to, and fail if told to."""
    import os
    import time
    from pathlib import Path

    from components.step_run import step_process

    with step_process("use"):
        Path(made.path + ".pid").write_text(str(os.getpid()))
        time.sleep(seconds)
        if fail:
            raise ValueError("it was told\nto fail")
        return f"{Path(made.path).read_text()} {names} {os.environ['AIO_MLFLOW_TRACKING_URI']}"


@step
def close(status: dsl.PipelineTaskFinalStatus, job: str) -> str:
    """Say how the run ended."""
    return f"{job} {status.state}"


def _wiring(text: str = "go", names: list[str] = ["BTC"], fail: bool = False, seconds: float = 0.0) -> None:  # noqa: B006
    """Make a text and use it."""
    with dsl.ExitHandler(close(job=dsl.PIPELINE_JOB_ID_PLACEHOLDER)):
        made = make(text=text)
        with dsl.If(made.outputs["Output"] == True):  # noqa: E712
            used = use(made=made.outputs["made"], names=names, fail=fail, seconds=seconds)
            on_accelerator(used).set_cpu_limit("2").set_memory_limit("1G").set_display_name("Use it").set_retry(3)
        with dsl.Else():
            use(made=made.outputs["made"], names=names, fail=True, seconds=0.0).set_display_name("Refuse it")


@pytest.fixture(scope="session")
def toy() -> Pipeline:
    return pipeline(name="toy", cron="5 * * * *", choices={"text": ("go", "stop")})(_wiring)


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

"""The toy pipeline, and a server that keeps what it was sent."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pipelines.wiring import Pipeline, pipeline
from runtime.settings import RuntimeSettings
from tests.support.loopback import Asked, answering
from tests.support.toy import toy_wiring
from tests.support.workplace import Workplace


@pytest.fixture(scope="session")
def toy() -> Pipeline:
    return pipeline(name="toy", cron="5 * * * *", choices={"text": ("go", "stop")})(toy_wiring)


@pytest.fixture
def runtime(tmp_path: Path) -> RuntimeSettings:
    return RuntimeSettings(state_dir=tmp_path / "state", mlflow_tracking_uri="http://127.0.0.1:9")


@pytest.fixture
def workplace(tmp_path: Path, mlflow_server: str) -> Workplace:
    return Workplace(tmp_path, mlflow_server)


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
    def answer(asked: Asked) -> tuple[int, object]:
        body = json.loads(asked.body) if asked.body.strip().startswith(b"{") else {}
        recorder.requests.append(Recorded(asked.method, asked.path, dict(asked.headers), body))
        return recorder.answer(asked.method, asked.path)

    with answering(answer) as url:
        recorder = RecordingServer(url)
        yield recorder

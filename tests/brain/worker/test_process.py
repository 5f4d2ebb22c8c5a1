"""`python -m brain.worker` as it is started, with the platform's own capabilities and a predictor's wire server."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from brain.runs import TERMINAL, NewRun, NewTask, Run
from brain.runs.ids import new_run_id
from brain.runs.store import SqlRunStore

REPOSITORY = Path(__file__).resolve().parents[3]


class Process:
    """A worker's process, its log and its probes."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self.log = log

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def url(self) -> str:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            for line in self.lines():
                if line["event"] == "worker listens":
                    return str(line["url"])
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise RuntimeError(f"the worker does not listen: {self.log.read_text()[-2000:]}")

    def ask(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(self.url() + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


@contextmanager
def running(folder: Path, **variables: str) -> Iterator[Process]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BRAIN_", "AIO_"))}
    ours = {"AIO_STATE_DIR": str(folder / "state"), "BRAIN_WORKER_PORT": "0", "PYTHONPATH": str(REPOSITORY)}
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"worker-{time.monotonic_ns()}.log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "brain.worker"],
            stdout=stream,
            stderr=stream,
            env=kept | ours | variables,
            cwd=REPOSITORY,
        )
    try:
        yield Process(process, log)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=10)


def wait(look: Any, true: Any, seconds: float = 60.0) -> Any:
    until = time.monotonic() + seconds
    while not true(found := look()):
        if time.monotonic() > until:
            raise TimeoutError(str(found)[:2000])
        time.sleep(0.05)
    return found


def accept(store: SqlRunStore, *tasks: NewTask) -> Run:
    given = {"kind": "orchestration", "owner": "ann", "request": {}, "request_digest": "d"}
    return store.create(NewRun(new_run_id(), tasks=tasks, **given))


def test_the_process_carries_out_forecasts_and_decisions_and_answers_probes(tmp_path: Path, predictor: Any) -> None:
    variables = {
        "BRAIN_CRYPTO_PREDICTORS": json.dumps({"1h": predictor.url}),
        "BRAIN_FRAUD_PREDICTOR_URL": predictor.url,
        "BRAIN_FRAUD_MIRROR_GRACE_SECONDS": "0",
    }
    tasks = (
        NewTask("price", "crypto_prediction", {"symbol": "BTC"}),
        NewTask("card", "fraud_analysis", {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 4200}),
        NewTask("image", "image_generation", {"prompt": "${tasks.price.result.symbol}"}, ("price",)),
    )
    with running(tmp_path, **variables) as worker:
        wait(lambda: worker.ask("/ready")[0], lambda status: status == 200)
        store = SqlRunStore(f"sqlite:///{tmp_path / 'state' / 'runs.db'}")
        run = accept(store, *tasks)
        ended = wait(lambda: store.get(run.id), lambda one: one.state in TERMINAL)
        assert ended.result["price"]["symbol"] == "BTC" and ended.reason.partition(":")[0] == "partial"
        assert ended.result["card"]["decision"] in ("accept", "review", "decline") and "image" not in ended.result
        assert worker.ask("/health")[0] == 200
        metrics = worker.ask("/metrics")[1]
        assert 'brain_worker_runs_ended_total{kind="orchestration",state="failed"} 1.0' in metrics
        assert "brain_upstream_seconds_count" in metrics
        assert 'brain_worker_call_seconds_count{outcome="ok",type="crypto_prediction"} 1.0' in metrics
        (seen,) = store.seen_workers()
        assert set(seen.beat.kinds) == {"orchestration", "coordination", "plan", "allocation"}
        assert worker.stop() == 0
        assert store.seen_workers() == []
        store.close()


def test_what_a_gateway_accepts_a_worker_on_the_same_state_carries_out_while_the_caller_waits(
    tmp_path: Path, predictor: Any, start_gateway: Any
) -> None:
    gateway = start_gateway(predictor.url, tmp_path)
    tasks = [
        {"id": "btc", "type": "crypto_prediction", "params": {"symbol": "BTC"}},
        {"id": "eth", "type": "crypto_prediction", "params": {"symbol": "ETH"}, "depends_on": ["btc"]},
    ]
    with running(tmp_path, BRAIN_CRYPTO_PREDICTORS=json.dumps({"1h": predictor.url})) as worker:
        wait(lambda: worker.ask("/ready")[0], lambda status: status == 200)
        with gateway.client() as client:
            waits = {"Prefer": "wait=30", "X-Timeout-Seconds": "40"}
            answer = client.post("/api/v1/orchestrate", json={"tasks": tasks}, headers=waits)
            assert answer.status_code == 200, answer.text
            run = answer.json()
            assert (run["state"], run["progress"]["done"]) == ("succeeded", 2)
            assert [run["result"][name]["symbol"] for name in ("btc", "eth")] == ["BTC", "ETH"]
            told = client.get(run["links"]["events"]).text
        assert "event: succeeded" in told and worker.stop() == 0


def test_a_second_process_on_one_sqlite_file_says_who_holds_it(tmp_path: Path) -> None:
    with running(tmp_path) as first:
        wait(lambda: first.ask("/ready")[0], lambda status: status == 200)
        with running(tmp_path) as second:
            assert second.process.wait(timeout=60) == 1
            (line,) = [one for one in second.lines() if one["event"] == "the worker cannot start"]
        assert f"process {first.process.pid}" in line["reason"] and "stop it" in line["reason"]


def test_outside_a_local_environment_a_database_must_be_named(tmp_path: Path) -> None:
    with running(tmp_path, AIO_ENVIRONMENT="production") as worker:
        assert worker.process.wait(timeout=60) == 1
        assert any("set BRAIN_DATABASE_URL" in str(line.get("reason")) for line in worker.lines())


@pytest.mark.system("postgresql")
def test_a_worker_waits_for_a_database_that_is_down_and_says_so(tmp_path: Path, free_port: Any) -> None:
    url = f"postgresql://aio@127.0.0.1:{free_port()}/none"
    with running(tmp_path, BRAIN_DATABASE_URL=url) as worker:
        assert worker.ask("/health")[0] == 200
        status, body = wait(lambda: worker.ask("/ready"), lambda told: "did not answer" in told[1])
        assert status == 503 and json.loads(body)["ready"] is False and "127.0.0.1" not in body
        assert worker.stop() == 0

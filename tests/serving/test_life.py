"""A predictor process from start to end: without a model, with a bad one, with a new one, killed, drained."""

import asyncio
import contextlib
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator

import httpx
import pytest
from predictor_kit import MODEL, UNIQUE_IDS, make_bundle, window
from predictor_process import Running

SYMBOL = {"inputs": [{"name": "symbol", "datatype": "BYTES", "shape": [1], "data": ["BTC"]}]}

Wait = Callable[..., None]
New = Callable[[], Running]


def ready_report(running: Running) -> dict[str, object]:
    response = running.get("/ready")
    return {} if response is None else dict(response.json())


def served_version(running: Running) -> object:
    return ready_report(running).get("model_version")


def metric(running: Running, line: str) -> float:
    response = running.get("/metrics")
    assert response is not None
    return sum(float(one.rpartition(" ")[2]) for one in response.text.splitlines() if one.startswith(line))


class Load:
    """Callers that ask without a pause; counts statuses, versions and broken connections."""

    def __init__(self, running: Running, callers: int = 8) -> None:
        self.running, self.callers = running, callers
        self.statuses: Counter[int] = Counter()
        self.versions: list[str] = []
        self.broken: list[str] = []
        self.body = json.dumps(SYMBOL).encode()

    async def __aenter__(self) -> "Load":
        self._stop = False
        self._tasks = [asyncio.create_task(self._ask()) for _ in range(self.callers)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop = True
        await asyncio.gather(*self._tasks)

    async def _ask(self) -> None:
        async with httpx.AsyncClient(timeout=10, verify=False) as client:
            while not self._stop:
                try:
                    answer = await client.post(self.running.infer_url, content=self.body)
                except httpx.ConnectError:
                    return  # nobody listens any more
                except httpx.TransportError as error:
                    self.broken.append(repr(error))
                    return
                self.statuses[answer.status_code] += 1
                if answer.status_code == 200:
                    self.versions.append(answer.json()["model_version"])


async def until(true: Callable[[], bool], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(true):
            await asyncio.sleep(0.05)


async def test_it_waits_for_a_champion_takes_up_new_ones_under_load_and_refuses_bad_ones(
    new_running: New, wait_until: Wait
) -> None:
    running = new_running()
    (running.folder / "registry").mkdir()
    running.start()

    # No champion: alive, not ready, and it says why.
    wait_until(lambda: running.status("/health") == 200, 60, "the process")
    wait_until(lambda: "no champion" in str(ready_report(running).get("reason")), 10, "the reason")
    assert running.status("/ready") == running.status("/v2/health/ready") == 503
    refused = httpx.post(running.infer_url, json=SYMBOL)
    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) >= 1
    assert "no champion" in refused.json()["error"]

    # The registry goes away and comes back with a champion: ready by itself.
    (running.folder / "registry/down").touch()
    wait_until(lambda: "cannot be read" in str(ready_report(running).get("reason")), 10, "the reason")
    assert "secret-registry" not in json.dumps(ready_report(running))
    (running.folder / "registry/down").unlink()
    running.release("first")
    wait_until(lambda: running.status() == 200, 10, "readiness")

    # New champions under load: no request is lost, every answer comes from one version, and versions only grow.
    second, third = (make_bundle(running.folder / name, network=name) for name in ("second", "third"))
    async with Load(running) as load:
        await until(lambda: "1" in load.versions)
        for bundle in (second, third):
            version = running.registry.add(bundle)
            await until(lambda version=version: version in load.versions)  # type: ignore[misc]
    assert not load.broken
    assert load.statuses.keys() == {200}
    assert set(load.versions) == {"1", "2", "3"}
    assert ready_report(running)["network"] == "third"

    # Bad versions: the old one stays, and /ready and the metrics say so.
    bad = {
        "not finite": {"nan": True},
        "cross": {"scale": -0.01},
        "trained on features feedfeedfeed": {"feature_digest": "feedfeedfeed"},
        "family 'fraud'": {"family": "fraud"},
        "has shape": {"horizon_bars": 25},
        "for market 'spot'": {"market": "spot"},
    }
    async with Load(running, 2) as load:
        for number, (why, change) in enumerate(bad.items()):
            running.registry.add(make_bundle(running.folder / f"bad{number}", **change))  # type: ignore[arg-type]
            await until(lambda why=why: why in str(ready_report(running).get("reload_error")))  # type: ignore[misc]
            assert running.status() == 200
        damaged = make_bundle(running.folder / "damaged")
        (damaged.path / "calibration.json").write_text("changed")
        running.registry.add(damaged)
        await until(lambda: "calibration.json" in str(ready_report(running).get("reload_error")))
    assert load.statuses.keys() == {200}
    assert set(load.versions) == {"3"}
    assert metric(running, "predictor_reloads_total{") >= 3 + len(bad) + 1
    assert str(running.folder) not in json.dumps(ready_report(running))

    # The registry down: serving goes on.
    (running.folder / "registry/down").touch()
    wait_until(lambda: "registry_error" in ready_report(running), 10, "the registry error")
    assert httpx.post(running.infer_url, json=SYMBOL).status_code == running.status() == 200

    # Killed while the registry is down: the local copy serves.
    running.stop(signal.SIGKILL)
    running.start()
    wait_until(lambda: running.status() == 200, 60, "the restart")
    assert served_version(running) == "3"

    # Told to go while callers keep their connections busy: none of these is cut.
    async with Load(running, 16) as load:
        await asyncio.sleep(0.5)
        assert await asyncio.to_thread(running.stop, signal.SIGTERM) == 0
    assert not load.broken
    assert load.statuses.keys() == {200}


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory, free_port: Callable[[], int], wait_until: Wait) -> Iterator[Running]:
    """A predictor whose model takes a good part of a second for every row; the last test of it ends it."""
    running = Running(tmp_path_factory.mktemp("slow"), free_port(), free_port())
    running.windows.fill()
    running.release("slow", slow_matmul=900)
    running.start(queue_rows=12, max_batch_rows=1, default_deadline_seconds=60)
    try:
        wait_until(lambda: running.status() == 200, 60, "readiness")
        yield running
    finally:
        running.stop(signal.SIGKILL)


async def seconds_alone(client: httpx.AsyncClient, running: Running) -> float:
    begun = time.perf_counter()
    assert (await client.post(running.infer_url, json=SYMBOL)).status_code == 200
    return time.perf_counter() - begun


async def test_a_slow_model_meets_deadlines_and_a_full_queue_refuses_at_once(slow: Running) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        alone = await seconds_alone(client, slow)
        late = await client.post(slow.infer_url, json=SYMBOL, headers={"X-Deadline": str(time.time() + alone / 4)})
        assert late.status_code == 504
        # While the model works the process stays answerable: it need not come to the end of its queue first.
        burst = [asyncio.create_task(client.post(slow.infer_url, json=SYMBOL)) for _ in range(30)]
        await asyncio.sleep(alone / 4)
        assert (await client.get(slow.url + "/v2/health/live")).status_code == 200
        assert sum(task.done() and task.result().status_code == 200 for task in burst) < 6
        answers = await asyncio.gather(*burst)
    counts = Counter(answer.status_code for answer in answers)
    assert counts.keys() == {200, 429}
    assert counts[200] >= 12
    assert counts[429] >= 10
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert int(refused.headers["retry-after"]) >= 1
    assert metric(slow, 'predictor_requests_total{model="crypto-forecast-1h",protocol="v2",status="429"}') >= 10


async def test_callers_that_hang_up_cost_the_model_nothing(slow: Running) -> None:
    calls = 'predictor_batch_rows_count{model="crypto-forecast-1h"}'
    before = metric(slow, calls)
    body = json.dumps(SYMBOL).encode()
    head = f"POST /v2/models/{MODEL}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    writers = []
    for _ in range(11):
        _, writer = await asyncio.open_connection("127.0.0.1", slow.http_port)
        writer.write(head + body)
        await writer.drain()
        writers.append(writer)
    await asyncio.sleep(0.1)
    for writer in writers:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
    async with httpx.AsyncClient(timeout=60) as client:
        await seconds_alone(client, slow)
    assert metric(slow, calls) - before <= 5
    assert metric(slow, 'predictor_requests_total{model="crypto-forecast-1h",protocol="v2",status="499"}') >= 5
    assert "Exception" not in slow.log()


async def test_on_sigterm_it_answers_what_came_in_and_cuts_nobody(slow: Running) -> None:
    async with Load(slow, 6) as load:
        await asyncio.sleep(1)
        assert slow.process is not None
        slow.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        assert (await asyncio.to_thread(slow.status)) in (503, 0)
        ended = await asyncio.to_thread(slow.process.wait, 30)
    assert ended == 0
    assert not load.broken
    assert load.statuses.keys() == {200}
    assert load.statuses[200] >= 6
    assert "Traceback" not in slow.log()


def test_features_that_cannot_be_read_make_it_unready_and_it_recovers(new_running: New, wait_until: Wait) -> None:
    running = new_running()
    for file in (running.folder / "windows").iterdir():
        file.unlink()
    (running.folder / "windows/down").touch()
    running.release("first")
    running.start(feature_grace_seconds=0)
    wait_until(lambda: "features" in str(ready_report(running).get("reason")), 60, "the reason")
    assert "secret-host" not in json.dumps(ready_report(running))
    refused = httpx.post(running.infer_url, json=SYMBOL)
    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    assert "secret-host" not in refused.text

    # Readable, but nothing was materialised; then one series is.
    (running.folder / "windows/down").unlink()
    wait_until(lambda: "crypto-refresh" in str(ready_report(running).get("reason")), 10, "the reason")
    running.windows.fill(UNIQUE_IDS[:1])
    wait_until(lambda: running.status() == 200, 10, "readiness")
    assert ready_report(running)["features"]["missing"] == list(UNIQUE_IDS[1:])  # type: ignore[index]
    assert httpx.post(running.infer_url, json=SYMBOL).status_code == 200
    other = {"inputs": [{**SYMBOL["inputs"][0], "data": ["ETH"]}]}
    assert httpx.post(running.infer_url, json=other).status_code == 503

    # A refresh is seen within seconds.
    first = httpx.post(running.infer_url, json=SYMBOL).json()
    running.windows.put(window(UNIQUE_IDS[0], seed=5))
    wait_until(lambda: httpx.post(running.infer_url, json=SYMBOL).json()["outputs"] != first["outputs"], 5, "the news")

    # A store that hangs does not hold the process up when it is asked to go.
    (running.folder / "windows/slow").write_text("60")
    time.sleep(0.5)
    assert running.stop(signal.SIGTERM, 15) == 0


def test_keys_are_asked_for_by_rest_and_grpc_alike_but_not_by_probes(new_running: New, wait_until: Wait) -> None:
    import grpc
    from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb
    from kserve.protocol.grpc import grpc_predict_v2_pb2_grpc as service

    from runtime.api_keys import generate_key

    key, digest = generate_key()
    running = new_running()
    running.release("first")
    running.start(host="0.0.0.0", api_key_sha256=json.dumps([digest]))
    wait_until(lambda: running.status() == 200, 60, "readiness")
    for path in ("/health", "/metrics", "/v2/health/live", "/v2/health/ready"):
        assert running.status(path) == 200
    assert running.status(f"/v2/models/{MODEL}") == 401
    for headers, status in (
        ({}, 401),
        ({"X-API-Key": "aio_wrong"}, 401),
        ({"Authorization": f"Basic {key}"}, 401),
        ({"X-API-Key": key}, 200),
        ({"Authorization": f"Bearer {key}", "Host": "predictor.example"}, 200),
    ):
        assert httpx.post(running.infer_url, json=SYMBOL, headers=headers).status_code == status
    with grpc.insecure_channel(running.grpc_target) as channel:
        stub = service.GRPCInferenceServiceStub(channel)
        assert stub.ServerReady(pb.ServerReadyRequest()).ready
        with pytest.raises(grpc.RpcError) as refused:
            stub.ModelMetadata(pb.ModelMetadataRequest(name=MODEL))
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        metadata = stub.ModelMetadata(pb.ModelMetadataRequest(name=MODEL), metadata=(("x-api-key", key),))
        assert list(metadata.versions) == ["1"]

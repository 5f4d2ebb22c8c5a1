"""Rate limits: counted together by replicas through Redis, and by each alone while Redis is away."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from brain.security.limits import RateLimiter
from runtime.problems import Problem


class Redis:
    """A Redis server that can be stopped and started on its port."""

    def __init__(self, binary: Path, port: int, folder: Path, wait: Callable[..., None]) -> None:
        self.url = f"redis://127.0.0.1:{port}"
        self._command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
        self._port, self._wait = port, wait
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> "Redis":
        import redis

        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        client = redis.Redis(port=self._port)

        def answers() -> bool:
            try:
                return bool(client.ping())
            except redis.ConnectionError:
                return False

        self._wait(answers, 20, "Redis")
        client.close()
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None


@pytest.fixture
def redis_server(
    require_system_package: Callable[[str], Path],
    free_port: Callable[[], int],
    wait_until: Callable[..., None],
    tmp_path: Path,
) -> Iterator[Redis]:
    server = Redis(require_system_package("redis-server"), free_port(), tmp_path, wait_until).start()
    yield server
    server.stop()


async def exhausted(limiter: RateLimiter, caller: str, most: int = 50) -> int:
    """How many requests pass before one is refused."""
    for count in range(most):
        try:
            await limiter.hit("predict", caller)
        except Problem as problem:
            assert problem.status == 429 and 1 <= int(problem.headers["Retry-After"]) <= 60
            return count
    return most


async def test_a_limit_holds_for_each_caller_by_itself() -> None:
    limiter = RateLimiter({"predict": "5/minute"})
    assert await exhausted(limiter, "key_a") == 5
    assert await exhausted(limiter, "key_b") == 5


async def test_limits_with_different_names_do_not_share_their_count() -> None:
    limiter = RateLimiter({"predict": "5/minute", "requests": "5/minute"})
    assert await exhausted(limiter, "key_a") == 5
    await limiter.hit("requests", "key_a")


async def test_a_limit_opens_again(monkeypatch: pytest.MonkeyPatch) -> None:
    import anyio

    limiter = RateLimiter({"predict": "2/second"})
    assert await exhausted(limiter, "key_a") == 2
    await anyio.sleep(2.1)
    await limiter.hit("predict", "key_a")


async def test_two_limiters_count_together_through_redis(redis_server: Redis) -> None:
    first, second = (RateLimiter({"predict": "6/minute"}, redis_server.url) for _ in range(2))
    for _ in range(3):
        await first.hit("predict", "key_a")
        await second.hit("predict", "key_a")
    for limiter in (first, second):
        with pytest.raises(Problem):
            await limiter.hit("predict", "key_a")
        assert limiter.shared


async def test_without_redis_each_process_counts_alone_and_the_limit_still_holds(redis_server: Redis) -> None:
    limiter = RateLimiter({"predict": "4/minute"}, redis_server.url)
    await limiter.hit("predict", "key_a")
    redis_server.stop()
    assert await exhausted(limiter, "key_a") == 4
    assert not limiter.shared


async def test_when_redis_comes_back_it_is_used_again(redis_server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brain.security.limits.FALL_BACK_SECONDS", 0.1)
    limiter = RateLimiter({"predict": "4/minute"}, redis_server.url)
    redis_server.stop()
    await limiter.hit("predict", "key_a")
    assert not limiter.shared
    redis_server.start()
    import anyio

    await anyio.sleep(0.2)
    await limiter.hit("predict", "key_a")
    assert limiter.shared


def test_two_gateway_processes_share_a_limit_through_redis_and_keys_through_postgresql(
    start_gateway: Callable[..., Any], predictor: Any, redis_server: Redis, postgres_database: str
) -> None:
    shared = {
        "auth": "required",
        "database_url": postgres_database,
        "redis_url": redis_server.url,
        "session_secret": "s" * 40,
        "predict_rate_limit": "6/minute",
    }
    first, second = start_gateway(predictor.url, **shared), start_gateway(predictor.url, **shared)
    key = first.create_key("predict")
    statuses = []
    with first.client(headers={"X-API-Key": key}) as one, second.client(headers={"X-API-Key": key}) as two:
        for _ in range(4):
            statuses += [
                client.post("/api/v1/crypto/predict", json={"symbol": "BTC"}).status_code for client in (one, two)
            ]
    assert statuses == [200] * 6 + [429] * 2


async def test_status_tells_when_limits_are_no_longer_shared(
    open_gateway: Callable[..., Any], predictor: Any, redis_server: Redis
) -> None:
    gateway = await open_gateway(predictor.url, redis_url=redis_server.url)
    client: httpx.AsyncClient = gateway.client
    found = {part["name"]: part["state"] for part in (await client.get("/status")).json()["parts"]}
    assert found["rate limits"] == "up"
    redis_server.stop()
    found = {part["name"]: part["state"] for part in (await client.get("/status")).json()["parts"]}
    assert found["rate limits"] == "degraded"

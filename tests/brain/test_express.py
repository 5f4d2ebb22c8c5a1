"""The short way answers as the framework's would."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from brain.api.fraud import ANALYZE_PATH, analyze
from brain.app import create_api

CASE = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 4200}
JSON = {"content-type": "application/json"}


@pytest.fixture
async def both(open_gateway: Callable[..., Any], predictor: Any) -> Any:
    """One gateway's clients: by the short way, and through the framework alone."""
    gateway = await open_gateway(predictor.url)
    transport = httpx.ASGITransport(Attested(create_api(gateway.services)), client=("127.0.0.1", 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as framework:
        yield gateway.client, framework


class Attested:
    """Puts into the scope what the gate and the deadline would."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        from brain.deadline import Deadline
        from brain.security.principal import Principal

        caller = Principal("address:127.0.0.1", "", frozenset({"predict"}))
        state = {"principal": caller, "deadline": Deadline.after(10)}
        await self.app({**scope, "state": state}, receive, send)


async def test_a_case_gets_the_same_answer_by_either_way(both: Any) -> None:
    case = {**CASE, "transaction_id": "t1"}
    answers = [await client.post(ANALYZE_PATH, json=case) for client in both]
    assert [one.status_code for one in answers] == [200, 200]
    first, second = ({**one.json(), "latency_ms": 0} for one in answers)
    assert first == second and first["sequence"] >= 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"", JSON, 400),
        (b"{", JSON, 400),
        (b"\xff", JSON, 400),
        (b"[1]", JSON, 422),
        (b"null", JSON, 422),
        (b'"x"', JSON, 422),
        (b'{"a": NaN}', JSON, 422),
        (b'{"amount_minor": -1}', JSON, 422),
        (b"a=1", {"content-type": "application/x-www-form-urlencoded"}, 415),
    ],
)
async def test_what_is_refused_is_refused_in_the_same_words(
    both: Any, body: bytes, headers: dict[str, str], status: int
) -> None:
    answers = [await client.post(ANALYZE_PATH, content=body, headers=headers) for client in both]
    assert [one.status_code for one in answers] == [status, status]
    assert len({one.json()["detail"] for one in answers}) == 1
    assert {one.headers["content-type"] for one in answers} == {"application/problem+json"}


async def test_other_methods_are_told_what_the_path_takes(both: Any) -> None:
    answers = [await client.get(ANALYZE_PATH) for client in both]
    assert [one.status_code for one in answers] == [405, 405]
    assert len({one.json()["detail"] for one in answers}) == 1


async def test_the_access_log_and_metrics_name_the_route(both: Any, open_gateway: Callable[..., Any]) -> None:
    short, _ = both
    await short.post(ANALYZE_PATH, json=CASE)
    metrics = (await short.get("/metrics")).text
    assert f'route="{ANALYZE_PATH}"' in metrics


async def test_the_description_has_the_route_with_the_handler_that_the_short_way_calls(both: Any) -> None:
    short, _ = both
    described = (await short.get("/openapi.json")).json()["paths"][ANALYZE_PATH]
    assert list(described) == ["post"]
    assert described["post"]["operationId"] == analyze.__name__

"""Cases of many requests in one call to the predictor: each gets its own row or its own refusal."""

import asyncio
from collections.abc import Callable
from typing import Any

from brain.clients.errors import UpstreamRefusedError, UpstreamTimeoutError
from brain.deadline import Deadline


def record(amount: int) -> dict[str, Any]:
    return {"customer_id": f"C{amount}", "terminal_id": "T", "amount_minor": amount, "recent": []}


async def gather(desk: Any, amounts: list[int], deadline: Deadline | None = None) -> list[Any]:
    gatherer = desk.services.fraud.analyst.gatherer
    asked = (gatherer.score("card", record(amount), deadline or Deadline.after(10)) for amount in amounts)
    return await asyncio.gather(*asked, return_exceptions=True)


async def test_what_comes_while_calls_are_on_their_way_goes_together_and_each_gets_its_row(
    desk: Any, wire_fraud: Any
) -> None:
    found = await gather(desk, list(range(100, 140)))
    assert [one.rows[0].values[0] for one in found] == [amount / 100 for amount in range(100, 140)]
    assert all(len(one.rows) == 1 for one in found)
    assert sum(map(len, wire_fraud.records)) == 40 and len(wire_fraud.records) <= 8


async def test_a_record_that_is_refused_fails_alone(open_gateway: Callable[..., Any], predictor: Any) -> None:
    desk = await open_gateway(predictor.url)
    fraud = predictor.predictor.fraud
    usual = fraud.respond

    def refuse(path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        if b'\\"amount_minor\\":7,' in body:
            return 422, {"error": "'record' row 0: /amount_minor is not liked"}
        return usual(path, body)

    fraud.respond = refuse
    found = await gather(desk, [5, 6, 7, 8, 9, 10, 11])
    assert [type(one).__name__ for one in found].count("UpstreamRefusedError") == 1
    assert isinstance(found[2], UpstreamRefusedError)


async def test_a_case_waits_no_longer_than_its_own_deadline(desk: Any, predictor: Any) -> None:
    predictor.predictor.delay_seconds = 1.0
    (found,) = await gather(desk, [5], Deadline.after(0.1))
    assert isinstance(found, UpstreamTimeoutError)

"""The same decisions on PostgreSQL, by two gateways at once."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

ANALYZE = "/api/v1/fraud/analyze"
CARD = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 100}

pytestmark = pytest.mark.system("postgresql")


async def test_two_gateways_decide_one_customers_cases_one_after_another(
    open_gateway: Callable[..., Any], predictor: Any, postgres_database: str
) -> None:
    desks = [await open_gateway(predictor.url, fraud_database_url=postgres_database) for _ in range(2)]
    asked = [desks[number % 2].client.post(ANALYZE, json=CARD) for number in range(6)]
    answers = await asyncio.gather(*asked)
    assert {answer.status_code for answer in answers} <= {200, 503}
    decided = sorted(
        (answer.json() for answer in answers if answer.status_code == 200), key=lambda one: one["sequence"]
    )
    assert len(decided) >= 2
    for known, answer in enumerate(decided):
        read = (await desks[0].client.get(f"/api/v1/fraud/decisions/{answer['id']}")).json()
        assert read["features"]["customer_count_10m"] == known, "each decision knows exactly those before it"


async def test_a_case_with_an_id_is_decided_once_whichever_gateway_is_asked(
    open_gateway: Callable[..., Any], predictor: Any, postgres_database: str
) -> None:
    desks = [await open_gateway(predictor.url, fraud_database_url=postgres_database) for _ in range(2)]
    asked = [desks[number % 2].client.post(ANALYZE, json={**CARD, "transaction_id": "t-1"}) for number in range(4)]
    answers = [answer.json() for answer in await asyncio.gather(*asked)]
    assert len({answer["id"] for answer in answers}) == 1

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


async def test_characters_that_a_database_does_not_take_are_refused_and_never_its_fault(
    open_gateway: Callable[..., Any], predictor: Any, postgres_database: str
) -> None:
    desk = await open_gateway(predictor.url, fraud_database_url=postgres_database)
    alert = (await desk.client.post(ANALYZE, json={**CARD, "amount_minor": 90_000})).json()["alert"]["id"]
    alerts, decisions = "/api/v1/fraud/alerts", "/api/v1/fraud/decisions"
    assert (await desk.client.get(f"{decisions}/dcsn_%00")).status_code == 404
    assert (await desk.client.post(f"{alerts}/alrt_%00/acknowledge")).status_code == 404
    assert (await desk.client.post(f"{alerts}/{alert}/acknowledge", json={"note": "\x00"})).status_code == 422
    assert (await desk.client.get(alerts, params={"before": 2**63 - 1})).status_code == 200
    assert (await desk.client.post(f"/api/v1/fraud/deliveries/{2**63 - 1}/revive")).status_code == 404
    noted = await desk.client.post(f"{alerts}/{alert}/acknowledge", json={"note": "línea\n✓ 😀"})
    assert noted.json()["note"] == "línea\n✓ 😀"

"""The console's fraud card, in Chromium."""

from collections.abc import Callable
from typing import Any

from tests.support.watched import Watched

ANALYZE = "/api/v1/fraud/analyze"
CARD = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 90_000}


def test_an_alert_appears_by_itself_with_its_reasons_and_can_be_acknowledged(
    watched: Watched, start_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway, page = start_gateway(predictor.url, fraud_drift_seconds="1"), watched.page
    with gateway.client() as client:
        before = client.post(ANALYZE, json=CARD).json()
        page.goto(gateway.url)
        page.wait_for_selector(f"[data-alert={before['alert']['id']}]")
        raised = client.post(ANALYZE, json={**CARD, "customer_id": "<b>C2</b>"}).json()
    row = page.locator(f"[data-alert={raised['alert']['id']}]")
    row.wait_for()
    assert "900.00 EUR" in row.inner_text() and "<b>C2</b> at T1" in row.inner_text()
    assert row.locator(".why svg").count() >= 1 and row.locator(".verdict").inner_text() == "decline"
    row.locator("button").click()
    page.wait_for_selector(f"[data-alert={raised['alert']['id']}][data-state=acknowledged]")
    page.wait_for_selector("#drift svg.scores")
    assert page.locator("#drift-state").inner_text().startswith("fraud-card v7")
    assert watched.complaints == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360

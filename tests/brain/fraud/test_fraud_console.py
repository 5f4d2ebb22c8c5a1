"""The console's fraud card, in Chromium."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ANALYZE = "/api/v1/fraud/analyze"
CARD = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 90_000}
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]


@pytest.fixture(scope="module")
def browser(require_system_package: Callable[[str], Path]) -> Iterator[Any]:
    binary = require_system_package("chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=str(binary), args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    opened.complaints = []
    opened.on("console", lambda m: opened.complaints.append(m.text) if m.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    yield opened
    context.close()


def test_an_alert_appears_by_itself_with_its_reasons_and_can_be_acknowledged(
    page: Any, start_gateway: Callable[..., Any], predictor: Any
) -> None:
    gateway = start_gateway(predictor.url, fraud_drift_seconds="1")
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
    assert page.complaints == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360

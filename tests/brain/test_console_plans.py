"""The console's page of plans, in Chromium: an objective, its chart, and a run that is watched to its end."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("worker")

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
def page(browser: Any, gateway: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=gateway.url)
    opened = context.new_page()
    opened.set_default_timeout(40_000)
    opened.complaints = []
    opened.on("console", lambda m: opened.complaints.append(m.text) if m.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    yield opened
    context.close()


def test_an_objective_becomes_a_chart_with_its_critical_path(page: Any) -> None:
    page.goto("/plans")
    page.click("#go")
    page.wait_for_selector("#plan[data-status=optimal], #plan[data-status=feasible]")
    bars, critical = page.locator("#gantt rect.task").count(), page.locator("#gantt rect.critical").count()
    assert bars > critical >= 2
    assert page.locator("#gantt rect.used").count() > 0
    assert "Marketing campaign" in page.locator("#plan-badges").inner_text()
    page.locator("#gantt g.row").first.hover()
    assert "hour 0 to" in page.locator("#plan-readout").inner_text()
    page.wait_for_selector("#runs [data-state=succeeded]")
    assert page.complaints == []
    page.set_viewport_size({"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_cannot_be_done_says_what_would_make_it_possible(page: Any) -> None:
    page.goto("/plans")
    page.fill("[name=timeline]", "1 day")
    page.click("#go")
    page.wait_for_selector("#plan[data-status=infeasible]")
    assert page.locator("#collisions li").count() >= 2
    assert page.locator("#gantt").is_hidden()


def test_an_objective_that_no_playbook_knows_is_refused_in_words(page: Any) -> None:
    page.goto("/plans")
    page.fill("[name=objective]", "zzqx flurbish")
    page.click("#go")
    page.wait_for_selector("#trouble:not([hidden])")
    assert "playbook" in page.locator("#trouble-detail").inner_text()


def test_a_run_is_watched_task_by_task_and_what_failed_can_be_tried_again(page: Any, client: Any) -> None:
    tasks = [
        {"id": "price", "type": "crypto_prediction", "params": {"symbol": "BTC"}},
        {"id": "picture", "type": "image_generation", "params": {"prompt": "<b>a chart</b>"}},
    ]
    made = client.post("/api/v1/orchestrate", json={"tasks": tasks}).json()
    page.goto(f"/plans#{made['id']}")
    page.wait_for_selector("#run[data-state=failed]")
    assert page.locator("[data-task=price]").get_attribute("class") == "succeeded"
    assert "not served" in page.locator("[data-task=picture] small").inner_text()
    page.click("#retry")
    page.wait_for_selector(f"#run[data-state=failed]:not([data-run={made['id']}])")
    assert "reused" in page.locator("[data-task=price]").inner_text()
    assert page.complaints == []

"""The console's page of plans, in Chromium: an objective, its chart, and a run that is watched to its end."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.watched import Watched

pytestmark = pytest.mark.usefixtures("worker")


@pytest.fixture
def watched(browser: Any, gateway: Any) -> Iterator[Watched]:
    """Plans are solved and runs carried out behind this page, so it is given more time."""
    found = Watched(browser, patience_milliseconds=40_000, base_url=gateway.url)
    yield found
    found.context.close()


@pytest.fixture
def page(watched: Watched) -> Any:
    return watched.page


def test_an_objective_becomes_a_chart_with_its_critical_path(page: Any, watched: Watched) -> None:
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
    assert watched.complaints == []
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


def test_a_run_is_watched_task_by_task_and_what_failed_can_be_tried_again(
    page: Any, watched: Watched, client: Any
) -> None:
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
    assert watched.complaints == []

"""The console as a person sees it, in Chromium."""

import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.support.watched import Watched


@pytest.fixture(autouse=True)
def usual_predictor(module_predictor: Any) -> Iterator[None]:
    """Every test finds the predictor up and as usual."""
    yield
    module_predictor.stop()
    module_predictor.predictor.__init__()
    module_predictor.start()


def test_the_page_shows_the_fan_the_candles_and_both_indicators_of_btc(watched: Watched, gateway: Any) -> None:
    page = watched.page
    page.goto(gateway.url)
    page.wait_for_selector("#chart[data-symbol=BTC] path.median")
    assert page.locator("path.fan").count() == 3
    assert page.locator("g.candle").count() == 96
    assert page.locator("path.rsi").count() == 1 and page.locator("rect.bar").count() == 96
    assert page.locator("#rows tr").count() == 24
    assert page.locator("#symbol").inner_text() == "BTC"
    assert page.locator("#model-link").get_attribute("href").endswith("/#/models/crypto-forecast-1h/versions/3")
    page.wait_for_selector("[data-part=gateway][data-state=up]")
    assert watched.complaints == []
    assert watched.asked == {urlsplit(gateway.url).netloc}


def test_the_wider_interval_encloses_the_narrower(watched: Watched, gateway: Any) -> None:
    page = watched.page
    page.goto(gateway.url)
    page.wait_for_selector("path.fan50")
    heights = [page.locator(f"path.fan{level}").bounding_box()["height"] for level in (50, 80, 95)]
    assert heights[0] < heights[1] < heights[2]


def test_choosing_another_coin_changes_chart_quote_and_table(watched: Watched, gateway: Any) -> None:
    page = watched.page
    page.goto(gateway.url)
    page.wait_for_selector("#chart[data-symbol=BTC]")
    before = page.locator("path.median").get_attribute("d"), page.locator("#rows").inner_text()
    page.locator("#coins label", has_text="DOGE").click()
    page.wait_for_selector("#chart[data-symbol=DOGE]")
    assert (page.locator("path.median").get_attribute("d"), page.locator("#rows").inner_text()) != before
    assert page.locator("#price").inner_text().startswith("0.1")
    assert page.url.endswith("#DOGE")
    assert watched.complaints == []


def test_a_link_to_a_coin_opens_with_it(watched: Watched, gateway: Any) -> None:
    watched.page.goto(f"{gateway.url}/#SOL")
    watched.page.wait_for_selector("#chart[data-symbol=SOL]")
    assert watched.page.locator("input[name=coin]:checked").input_value() == "SOL"


def test_pointing_at_the_chart_reads_out_that_hour_and_marks_its_row(watched: Watched, gateway: Any) -> None:
    page = watched.page
    page.goto(gateway.url)
    page.wait_for_selector("path.median")
    box = page.locator("#plot").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 150)
    assert "RSI" in page.locator("#readout").inner_text()
    page.mouse.move(box["x"] + box["width"] * 0.85, box["y"] + 150)
    assert "median" in page.locator("#readout").inner_text()
    assert page.locator("#rows tr.marked").count() == 1


def test_the_keyboard_alone_reaches_coins_and_hours(watched: Watched, gateway: Any) -> None:
    page = watched.page
    page.goto(gateway.url)
    page.wait_for_selector("path.median")
    page.locator("input[name=coin]:checked").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#chart[data-symbol=DOGE]")
    page.locator("#chart").focus()
    page.keyboard.press("ArrowRight")
    assert "+1 h" in page.locator("#readout").inner_text()
    page.keyboard.press("End")
    assert "+24 h" in page.locator("#readout").inner_text()
    assert page.locator("#rows tr.marked").get_attribute("data-step") == "24"


def test_stale_data_and_unusual_input_are_shown(watched: Watched, gateway: Any, module_predictor: Any) -> None:
    from datetime import UTC, datetime, timedelta

    module_predictor.predictor.as_of = datetime.now(UTC) - timedelta(days=2)
    module_predictor.predictor.unusual_features = ("volume_z_168",)
    watched.page.goto(gateway.url)
    watched.page.wait_for_selector("#stale")
    assert "volume_z_168" in watched.page.locator("[data-code=unlike_training]").inner_text()
    assert "48 h" in watched.page.locator("#age").inner_text() or "2 days" in watched.page.locator("#age").inner_text()
    watched.page.wait_for_selector("[data-part=crypto-forecast-1h][data-state=degraded]")


def test_a_predictor_that_goes_down_is_told_and_found_again_without_a_reload(
    watched: Watched, gateway: Any, module_predictor: Any
) -> None:
    page = watched.page
    page.goto(gateway.url)
    page.wait_for_selector("#chart[data-symbol=BTC]")
    module_predictor.stop()
    page.locator("#coins label", has_text="ETH").click()
    page.wait_for_selector("#trouble:not([hidden])")
    assert "cannot answer now" in page.locator("#trouble-detail").inner_text()
    assert "Trying again" in page.locator("#trouble-again").inner_text()
    assert page.locator("#old").count() == 1
    module_predictor.start()
    page.wait_for_selector("#chart[data-symbol=ETH]")
    page.wait_for_selector("#trouble", state="hidden")


def test_a_page_opened_while_the_predictor_is_down_fills_once_it_is_up(
    watched: Watched, gateway: Any, module_predictor: Any
) -> None:
    module_predictor.stop()
    watched.page.goto(gateway.url)
    watched.page.wait_for_selector("#trouble:not([hidden])")
    assert watched.page.locator("#waiting").inner_text() == "No forecast yet."
    module_predictor.start()
    watched.page.wait_for_selector("#chart[data-symbol=BTC] path.median")


def test_what_the_predictor_says_is_shown_as_text_never_as_markup(
    watched: Watched, gateway: Any, module_predictor: Any
) -> None:
    module_predictor.predictor.unusual_features = ("<img src=x onerror=alert(1)>",)
    module_predictor.predictor.network = "<b>bold</b>"
    watched.page.goto(gateway.url)
    watched.page.wait_for_selector("[data-code=unlike_training]")
    assert "<img" in watched.page.locator("#warnings").inner_text()
    assert watched.page.locator("main b:has-text('bold'), main img").count() == 0


def test_light_and_dark_follow_the_system_and_the_button_overrules_it(browser: Any, gateway: Any) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        watched = Watched(browser, color_scheme=scheme)
        watched.page.goto(gateway.url)
        ground = "getComputedStyle(document.body).backgroundColor"
        before = watched.page.evaluate(ground)
        watched.page.locator("#theme").click()
        grounds.append((before, watched.page.evaluate(ground)))
        watched.context.close()
    assert grounds[0] == grounds[1][::-1] and grounds[0][0] != grounds[0][1]


def test_on_a_phone_nothing_is_wider_than_the_screen(browser: Any, gateway: Any) -> None:
    watched = Watched(browser)
    watched.page.set_viewport_size({"width": 360, "height": 740})
    watched.page.goto(gateway.url)
    watched.page.wait_for_selector("path.median")
    assert watched.page.evaluate("document.documentElement.scrollWidth") <= 360
    watched.context.close()


def test_the_description_page_works_under_the_same_strict_policy(watched: Watched, gateway: Any) -> None:
    watched.page.goto(f"{gateway.url}/docs")
    watched.page.locator(".opblock-summary-path", has_text="/api/v1/crypto/predict").wait_for()
    assert watched.complaints == []
    assert watched.asked == {urlsplit(gateway.url).netloc}


def test_with_keys_on_a_person_logs_in_sees_the_forecast_and_logs_out(
    watched: Watched, start_gateway: Callable[..., Any], module_predictor: Any
) -> None:
    gateway = start_gateway(module_predictor.url, auth="required")
    key = gateway.create_key("predict", "status")
    page = watched.page
    page.goto(gateway.url)
    assert page.url.endswith("/login")
    page.fill("#key", "aio_wrong")
    page.keyboard.press("Enter")
    page.wait_for_selector("#error:not([hidden])")
    page.fill("#key", key)
    page.keyboard.press("Enter")
    page.wait_for_selector("#chart[data-symbol=BTC] path.median")
    cookie = next(c for c in watched.context.cookies() if c["name"] == "brain_session")
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    assert key not in json.dumps(watched.context.cookies())
    page.locator("text=Log out").click()
    page.wait_for_url("**/login")
    page.goto(gateway.url)
    assert page.url.endswith("/login")

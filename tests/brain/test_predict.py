"""`POST /api/v1/crypto/predict`: the answer, and every way in which a request can be wrong."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.support import wire
from tests.support.specification import spec_requests

PATH = "/api/v1/crypto/predict"
JSON = {"Content-Type": "application/json"}


def ask(client: httpx.Client, **body: object) -> httpx.Response:
    return client.post(PATH, json={"symbol": "BTC", **body})


def problem(answer: httpx.Response, status: int) -> dict[str, object]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == status
    assert document["instance"] == answer.headers["x-request-id"]
    assert document["detail"]
    return document


def test_the_body_of_the_specification_gets_a_distribution_for_each_of_24_hours(
    client: httpx.Client, module_predictor: Any
) -> None:
    answer = client.post(PATH, json={"symbol": "BTC", "timeframe": "1h", "prediction_horizon": 24})
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["symbol"], found["unique_id"], found["timeframe"]) == ("BTC", "binance:usdm-perp:BTC-USDT", "1h")
    assert (found["model"], found["network"], found["model_version"]) == ("crypto-forecast-1h", "lstm", "3")
    assert [step["step"] for step in found["forecast"]] == list(range(1, 25))
    as_of = datetime.fromisoformat(found["as_of"])
    assert as_of == module_predictor.predictor.as_of
    assert datetime.fromisoformat(found["forecast"][23]["time"]) == as_of + timedelta(hours=24)
    for step in found["forecast"]:
        (l95, h95), (l80, h80), (l50, h50) = (step["intervals"][p] for p in ("95", "80", "50"))
        assert l95 < l80 < l50 < step["median"] < h50 < h80 < h95
    assert found["warnings"] == [] and found["history"] == []


def test_prices_probabilities_and_volatility_are_those_of_the_quantiles(client: httpx.Client) -> None:
    found = ask(client).json()
    last, sixth = found["last_price"], found["forecast"][5]
    deviation = wire.HOURLY_VOLATILITY * math.sqrt(6)
    assert sixth["median"] == pytest.approx(last * math.exp(6 * wire.DRIFT))
    assert sixth["intervals"]["95"][1] == pytest.approx(
        last * math.exp(6 * wire.DRIFT + 1.959964 * deviation), rel=1e-6
    )
    assert sixth["expected_volatility"] == pytest.approx(deviation, rel=1e-6)
    up = 0.5 * math.erfc(-(6 * wire.DRIFT / deviation) / math.sqrt(2))
    assert sixth["probability_up"] == pytest.approx(up, rel=1e-6)


def test_defaults_stand_in_for_timeframe_and_horizon(client: httpx.Client) -> None:
    found = ask(client).json()
    assert (found["timeframe"], found["prediction_horizon"]) == ("1h", 24)


@pytest.mark.parametrize("horizon", [1, 7, 24])
def test_as_many_steps_come_back_as_were_asked_for(client: httpx.Client, horizon: int) -> None:
    assert len(ask(client, prediction_horizon=horizon).json()["forecast"]) == horizon


def test_a_symbol_may_be_written_in_any_case(client: httpx.Client) -> None:
    assert ask(client, symbol="eTh").json()["symbol"] == "ETH"


def test_history_bars_bring_candles_with_their_indicators(client: httpx.Client) -> None:
    found = ask(client, history_bars=48).json()
    assert len(found["history"]) == 48
    last = found["history"][-1]
    assert datetime.fromisoformat(last["time"]) + timedelta(hours=1) == datetime.fromisoformat(found["as_of"])
    assert last["close"] == pytest.approx(found["last_price"])
    assert last["high"] >= max(last["open"], last["close"]) and last["low"] <= min(last["open"], last["close"])
    assert last["indicators"]["rsi_14"] == pytest.approx(found["indicators"]["rsi_14"])


def test_old_data_is_called_stale_with_its_age(client: httpx.Client, module_predictor: Any) -> None:
    usual = module_predictor.predictor.as_of
    module_predictor.predictor.as_of = datetime.now(UTC) - timedelta(hours=5)
    try:
        found = ask(client).json()
    finally:
        module_predictor.predictor.as_of = usual
    assert found["stale"] is True
    assert found["age_seconds"] == pytest.approx(5 * 3600, abs=30)
    assert [warning["code"] for warning in found["warnings"]] == ["stale"]


def test_fresh_data_is_not_called_stale(client: httpx.Client) -> None:
    found = ask(client).json()
    assert found["stale"] is False and 0 <= found["age_seconds"] < 3700


def test_input_unlike_the_training_data_is_warned_of_by_name(client: httpx.Client, module_predictor: Any) -> None:
    module_predictor.predictor.input_distance = 11.5
    module_predictor.predictor.unusual_features = ("log_volatility_h6", "volume_z_168")
    try:
        warnings = ask(client).json()["warnings"]
    finally:
        module_predictor.predictor.input_distance = 2.1
        module_predictor.predictor.unusual_features = ()
    assert [warning["code"] for warning in warnings] == ["unlike_training"]
    assert "11.5" in warnings[0]["detail"] and "volume_z_168" in warnings[0]["detail"]


def test_an_unknown_symbol_is_404_with_the_nearest_name(client: httpx.Client) -> None:
    document = problem(ask(client, symbol="DOGGE"), 404)
    assert document["nearest"] == "DOGE" and "did you mean 'DOGE'" in document["detail"]
    assert "BTC" in document["known"]


def test_an_unsupported_timeframe_is_422_with_the_allowed_ones(client: httpx.Client) -> None:
    document = problem(ask(client, timeframe="5m"), 422)
    assert document["allowed"] == ["1h"]
    assert document["errors"][0]["pointer"] == "/timeframe" and "'5m'" in document["detail"]


@pytest.mark.parametrize("text", ["0", "25", "-1", '"x"', '"24"', "1.5", "24.0", "true", "null", "[1]", "1e400", "NaN"])
def test_a_horizon_that_is_no_number_of_bars_is_422_and_names_the_field(client: httpx.Client, text: str) -> None:
    answer = client.post(PATH, content=f'{{"symbol": "BTC", "prediction_horizon": {text}}}', headers=JSON)
    document = problem(answer, 422)
    assert [error["pointer"] for error in document["errors"]] == ["/prediction_horizon"]


@pytest.mark.parametrize("horizon", [0, 25])
def test_a_horizon_out_of_range_is_told_the_range_and_what_was_received(client: httpx.Client, horizon: int) -> None:
    document = problem(ask(client, prediction_horizon=horizon), 422)
    assert "from 1 to 24" in document["detail"] and f"received {horizon}" in document["detail"]


@pytest.mark.parametrize("symbol", ["", "B" * 21, "BTC/USDT", "BTC\n", "\u202e", 5, None, ["BTC"]])
def test_what_is_no_symbol_is_422(client: httpx.Client, symbol: object) -> None:
    document = problem(ask(client, symbol=symbol), 422)
    assert document["errors"][0]["pointer"] == "/symbol"


def test_a_lone_surrogate_in_a_symbol_is_422(client: httpx.Client) -> None:
    problem(client.post(PATH, content=b'{"symbol": "\\ud800"}', headers=JSON), 422)


@pytest.mark.parametrize("bars", [-1, 169, 2.5, "5"])
def test_history_outside_what_is_kept_is_422(client: httpx.Client, bars: object) -> None:
    document = problem(ask(client, history_bars=bars), 422)
    assert "from 0 to 168" in document["detail"]


def test_every_wrong_field_is_named_at_once(client: httpx.Client) -> None:
    answer = client.post(PATH, json={"timeframe": 5, "prediction_horizon": 0, "days": 3})
    pointers = {error["pointer"] for error in problem(answer, 422)["errors"]}
    assert pointers == {"/symbol", "/timeframe", "/prediction_horizon", "/days"}


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"{'symbol': 'BTC'}",
        b'{"symbol": "BTC"} x',
        b'{"symbol": "BTC", "symbol": "ETH"}',
        b'{"symbol": "\xff"}',
        b"[" * 100_000,
        b'{"symbol": "BTC", "prediction_horizon": ' + b"9" * 5000 + b"}",
    ],
    ids=["cut", "empty", "single quotes", "trailing", "repeated name", "not UTF-8", "deep", "endless number"],
)
def test_a_body_that_is_not_json_is_400(client: httpx.Client, body: bytes) -> None:
    problem(client.post(PATH, content=body, headers=JSON), 400)


@pytest.mark.parametrize("body", [b"[]", b'"BTC"', b"5", b"null"])
def test_json_that_is_no_object_is_422(client: httpx.Client, body: bytes) -> None:
    problem(client.post(PATH, content=body, headers=JSON), 422)


def test_a_body_of_another_type_is_415_and_says_which_is_taken(client: httpx.Client) -> None:
    answer = client.post(PATH, content=b'{"symbol": "BTC"}', headers={"Content-Type": "text/plain"})
    assert "application/json" in problem(answer, 415)["detail"]


def test_a_body_too_large_is_413_by_its_length(client: httpx.Client) -> None:
    answer = client.post(PATH, content=b'{"symbol": "' + b"B" * 2_000_000 + b'"}', headers=JSON)
    assert "1048576" in problem(answer, 413)["detail"]


def test_a_body_too_large_is_413_when_it_is_streamed(client: httpx.Client) -> None:
    chunks = (b"x" * 65_536 for _ in range(40))
    problem(client.post(PATH, content=chunks, headers=JSON), 413)


def test_a_get_is_405_with_what_is_allowed(client: httpx.Client) -> None:
    answer = client.get(PATH)
    problem(answer, 405)
    assert answer.headers["allow"] == "POST"


def test_symbols_lists_what_can_be_asked_for(client: httpx.Client) -> None:
    listed = client.get("/api/v1/crypto/symbols").json()["timeframes"]
    assert listed[0]["symbols"] == list(wire.SYMBOLS)
    assert (listed[0]["timeframe"], listed[0]["market"], listed[0]["longest_horizon"]) == ("1h", "usdm-perp", 24)


def test_every_request_of_the_specification_that_this_gateway_serves_is_taken_as_it_stands(
    client: httpx.Client,
) -> None:
    served = {("GET", "/health"), ("GET", "/status"), ("GET", "/metrics"), ("POST", PATH)}
    requests = [r for r in spec_requests() if (r["method"], r["path"]) in served]
    assert len(requests) == len(served)
    for request in requests:
        answer = client.request(request["method"], request["path"], json=request.get("body"))
        assert answer.status_code == 200, (request, answer.text)

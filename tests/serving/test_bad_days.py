"""What callers are told when a request cannot be answered, over REST."""

import json
import socket
import time
from collections.abc import Iterator

import httpx
import numpy as np
import psutil
import pytest
from predictor_kit import FEATURES, MODEL
from predictor_process import Running

from feature_repo.crypto import WINDOW_BARS

SHAPE = (1, WINDOW_BARS, FEATURES)


def v2(
    name: str = "symbol", datatype: str = "BYTES", shape: object = (1,), data: object = ("BTC",)
) -> dict[str, object]:
    return {"inputs": [{"name": name, "datatype": datatype, "shape": shape, "data": data}]}


def post_raw(
    running: Running,
    array: np.ndarray,
    shape: tuple[int, ...] | None = None,
    datatype: str = "FP32",
    headers: dict[str, str] | None = None,
) -> httpx.Response:
    tensor = {"name": "window", "datatype": datatype, "shape": shape or array.shape}
    head = json.dumps({"inputs": [{**tensor, "parameters": {"binary_data_size": array.nbytes}}]}).encode()
    sent = {"Inference-Header-Content-Length": str(len(head)), **(headers or {})}
    return httpx.post(running.infer_url, content=head + array.tobytes(), headers=sent)


def told(response: httpx.Response, status: int) -> str:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/json"
    assert list(response.json()) == ["error"]
    assert response.headers["x-request-id"]
    return str(response.json()["error"])


@pytest.mark.parametrize("path", ["infer_url", "predict_url"])
def test_an_unknown_symbol_is_404_and_names_the_nearest(predictor: Running, path: str) -> None:
    body = v2(data=["BTCC"]) if path == "infer_url" else {"instances": [{"symbol": "BTCC"}]}
    error = told(httpx.post(getattr(predictor, path), json=body), 404)
    assert "'BTCC'" in error
    assert "did you mean 'BTC'" in error


@pytest.mark.parametrize("symbol", ["btc", "BTC-USDT", "binance:usdm-perp:BTC-USDT"])
def test_a_symbol_may_be_written_in_any_case_or_as_its_whole_id(predictor: Running, symbol: str) -> None:
    answer = httpx.post(predictor.infer_url, json=v2(data=[symbol]))
    assert answer.status_code == 200


def test_an_unknown_model_is_404_and_names_the_one_there_is(predictor: Running) -> None:
    for path in ("/v2/models/crypto-forecast-1d/infer", "/v1/models/crypto-forecast-1d:predict"):
        error = told(httpx.post(predictor.url + path, json=v2()), 404)
        assert f"did you mean '{MODEL}'" in error


def test_a_version_other_than_the_served_one_is_404(predictor: Running) -> None:
    served = f"{predictor.url}/v2/models/{MODEL}/versions/{{}}/infer"
    assert httpx.post(served.format(1), json=v2()).json()["model_version"] == "1"
    assert "'2'" in told(httpx.post(served.format(2), json=v2()), 404)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b"[]",
        b"null",
        b'{"inputs": []}',
        b'{"inputs": [1]}',
        b'{"inputs": [{"name": "symbol"',
        b'{"inputs": [{"datatype": "BYTES", "shape": [1], "data": ["BTC"]}]}',
        b'{"inputs": [{"name": "window", "datatype": "FP32", "shape": [1], "data": [NaN]}]}',
        b'{"inputs": [{"name": "symbol", "datatype": "BYTES", "shape": [-1], "data": ["BTC"]}]}',
        b'{"inputs": [{"name": "symbol", "datatype": "BYTES", "shape": "1", "data": ["BTC"]}]}',
        b'{"inputs": [{"name": "symbol", "datatype": "BYTES", "shape": [1], "data": "BTC"}]}',
        b'{"inputs": [{"name": "ticker", "datatype": "BYTES", "shape": [1], "data": ["BTC"]}]}',
        b"\xff\xfe",
    ],
)
def test_a_malformed_v2_request_is_400(predictor: Running, body: bytes) -> None:
    told(httpx.post(predictor.infer_url, content=body), 400)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{}",
        b'{"instances": []}',
        b'{"instances": ["BTC"]}',
        b'{"instances": [{"symbol": "BTC"}, {}]}',
        b'{"instances": [{"symbol": "BTC"}, {"window": [[1.0]]}]}',
        b'{"instances": [{"ticker": "BTC"}]}',
        b'{"instances": [{"symbol": null}]}',
        b'{"instances": [{"symbol": "BTC"}], "parameters": 3}',
    ],
)
def test_a_malformed_v1_request_is_400(predictor: Running, body: bytes) -> None:
    told(httpx.post(predictor.predict_url, content=body), 400)


@pytest.mark.parametrize(
    ("datatype", "shape", "received"),
    [
        ("FP64", SHAPE, f"FP64 {list(SHAPE)}"),
        ("FP32", (1, 3, FEATURES), f"FP32 [1, 3, {FEATURES}]"),
        ("FP32", (WINDOW_BARS, FEATURES), f"FP32 [{WINDOW_BARS}, {FEATURES}]"),
    ],
)
def test_a_wrong_type_or_shape_is_422_and_says_both_sides(
    predictor: Running, datatype: str, shape: tuple[int, ...], received: str
) -> None:
    array = np.zeros(shape, np.float64 if datatype == "FP64" else np.float32)
    error = told(post_raw(predictor, array, datatype=datatype), 422)
    assert f"expected 'window' as FP32 [N, {WINDOW_BARS}, {FEATURES}]" in error
    assert received in error


def test_a_shape_that_does_not_fit_its_data_is_422(predictor: Running) -> None:
    error = told(httpx.post(predictor.infer_url, json=v2("window", "FP32", [1, 2, 2], [1.0, 2.0])), 422)
    assert "[1, 2, 2]" in error
    assert "holds 2" in error
    error = told(post_raw(predictor, np.zeros(SHAPE, np.float32), shape=(2, *SHAPE[1:])), 422)
    assert str(np.zeros(SHAPE, np.float32).nbytes) in error


@pytest.mark.parametrize(
    ("datatype", "data"),
    [
        ("FP32", [None]),
        ("FP32", ["1.0"]),
        ("FP32", [[1.0], [1.0, 2.0]]),
        ("INT64", [1.5]),
        ("INT64", [2**63]),
        ("UINT8", [-1]),
        ("BYTES", [1]),
        ("FP16", [1.0]),
        ("FLOAT", [1.0]),
    ],
)
def test_values_that_are_not_of_their_type_are_422(predictor: Running, datatype: str, data: object) -> None:
    told(httpx.post(predictor.infer_url, json=v2("window", datatype, [1], data)), 422)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_no_number_is_422_and_says_where(predictor: Running, value: float) -> None:
    array = np.zeros(SHAPE, np.float32)
    array[0, 5, 2] = value
    error = told(post_raw(predictor, array), 422)
    assert "row 0, bar 5" in error


def test_a_number_too_large_for_the_type_is_not_taken_for_infinity(predictor: Running) -> None:
    data = [1e300] + [0.0] * (WINDOW_BARS * FEATURES - 1)
    told(httpx.post(predictor.infer_url, json=v2("window", "FP32", list(SHAPE), data)), 422)


@pytest.mark.parametrize("bars", [-1, WINDOW_BARS + 1, "x", 1.5, True, [1]])
def test_history_that_is_not_kept_is_422(predictor: Running, bars: object) -> None:
    error = told(httpx.post(predictor.infer_url, json={**v2(), "parameters": {"history_bars": bars}}), 422)
    assert f"0 to {WINDOW_BARS}" in error


def test_more_rows_than_a_batch_holds_are_422(predictor: Running) -> None:
    error = told(httpx.post(predictor.infer_url, json=v2(shape=[65], data=["BTC"] * 65)), 422)
    assert "1 to 64" in error
    assert "65" in error


def test_an_output_that_is_not_given_is_400_and_an_asked_for_one_comes_alone(predictor: Running) -> None:
    error = told(httpx.post(predictor.infer_url, json={**v2(), "outputs": [{"name": "mean"}]}), 400)
    assert "quantiles" in error
    answer = httpx.post(predictor.infer_url, json={**v2(), "outputs": [{"name": "as_of"}]}).json()
    assert [output["name"] for output in answer["outputs"]] == ["as_of"]


@pytest.mark.parametrize("deadline", ["soon", "nan", "inf"])
def test_a_deadline_that_is_no_time_is_400(predictor: Running, deadline: str) -> None:
    assert "X-Deadline" in told(httpx.post(predictor.infer_url, json=v2(), headers={"X-Deadline": deadline}), 400)


def test_a_deadline_that_has_passed_is_504(predictor: Running) -> None:
    told(httpx.post(predictor.infer_url, json=v2(), headers={"X-Deadline": str(time.time() - 1)}), 504)
    told(httpx.post(predictor.predict_url, json={"instances": [{"symbol": "BTC"}]}, headers={"X-Deadline": "1"}), 504)


def zeros(total: int) -> Iterator[bytes]:
    for _ in range(total >> 20):
        yield bytes(1 << 20)


@pytest.mark.parametrize("declared", [True, False])
def test_a_body_of_100_mb_is_413_at_once_and_takes_no_memory(predictor: Running, declared: bool) -> None:
    assert predictor.process is not None
    memory = psutil.Process(predictor.process.pid).memory_info
    before = memory().rss
    total = 100 << 20
    headers = {"Content-Length": str(total)} if declared else {}
    begun = time.perf_counter()
    error = told(httpx.post(predictor.infer_url, content=zeros(total), headers=headers, timeout=20), 413)
    assert time.perf_counter() - begun < 3
    assert str(16 << 20) in error
    assert memory().rss - before < 60 << 20
    assert httpx.post(predictor.infer_url, json=v2()).status_code == 200


def test_kserves_other_routes_have_the_same_limit(predictor: Running) -> None:
    response = httpx.post(f"{predictor.url}/v1/models/{MODEL}:explain", content=zeros(20 << 20), timeout=20)
    assert response.status_code == 413


def test_a_request_without_content_type_is_read(predictor: Running) -> None:
    body = json.dumps(v2()).encode()
    assert httpx.post(predictor.infer_url, content=body, headers={"Content-Type": ""}).status_code == 200


def test_what_does_not_exist_is_answered_in_the_same_form(predictor: Running) -> None:
    assert httpx.get(predictor.url + "/nothing").json().keys() == {"error"}
    assert httpx.get(predictor.infer_url).status_code == 405
    assert httpx.post(f"{predictor.url}/v1/models/{MODEL}:explain", json={"instances": []}).status_code == 501


def test_the_request_id_goes_out_as_it_came_in_unless_it_could_do_harm(predictor: Running) -> None:
    kept = httpx.post(predictor.infer_url, json=v2(), headers={"X-Request-ID": "a-1"})
    assert kept.headers["x-request-id"] == "a-1"
    assert kept.json()["id"] == "a-1"
    replaced = httpx.post(predictor.infer_url, json=v2(), headers={"X-Request-ID": "a b<script>"})
    assert len(replaced.headers["x-request-id"]) == 32


def test_a_web_page_cannot_reach_the_predictor_by_a_name_of_its_own(predictor: Running) -> None:
    error = told(httpx.post(predictor.infer_url, json=v2(), headers={"Host": "evil.example"}), 403)
    assert "evil.example" in error
    assert httpx.get(predictor.url + "/ready", headers={"Host": "localhost:1"}).status_code == 200


def test_the_model_cannot_be_unloaded_and_load_looks_at_the_registry(predictor: Running) -> None:
    repository = f"{predictor.url}/v2/repository/models/{MODEL}"
    assert MODEL in told(httpx.post(repository + "/unload"), 409)
    assert httpx.post(repository + "/load").status_code == 200
    assert httpx.post(predictor.infer_url, json=v2()).status_code == 200


def test_an_error_of_the_model_shows_nothing_of_our_insides(predictor: Running) -> None:
    error = told(post_raw(predictor, np.full(SHAPE, 100, np.float32), headers={"X-Request-ID": "trace-me"}), 500)
    assert "finite" not in error
    assert "Error" not in error
    assert "trace-me" in predictor.log()
    assert "not finite" in predictor.log()


def test_a_body_that_never_arrives_is_504_at_the_deadline(predictor: Running) -> None:
    head = (
        f"POST /v2/models/{MODEL}/infer HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n"
        f"X-Deadline: {time.time() + 0.5}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", predictor.http_port), timeout=10) as connection:
        connection.sendall(head.encode() + b"{")
        assert b"504" in connection.recv(4096).splitlines()[0]

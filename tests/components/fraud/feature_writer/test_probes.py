"""What the feature writer says of itself over HTTP."""

from collections.abc import Iterator

import httpx
import pytest
from prometheus_client import CollectorRegistry

from components.fraud.feature_writer.probes import Vitals, probes


@pytest.fixture
def vitals() -> Vitals:
    return Vitals(stuck_after_seconds=60, registry=CollectorRegistry())


@pytest.fixture
def address(vitals: Vitals) -> Iterator[str]:
    with probes(vitals, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


def test_it_is_alive_but_not_ready_before_the_first_turn(address: str) -> None:
    assert httpx.get(f"{address}/health").json() == {"status": "alive"}
    answer = httpx.get(f"{address}/ready")
    assert (answer.status_code, answer.json()["reason"]) == (503, "the log has not been read yet")


def test_it_is_ready_once_a_turn_went_well_and_says_why_when_one_did_not(vitals: Vitals, address: str) -> None:
    vitals.wrote(folded=3, lag=2)
    assert httpx.get(f"{address}/ready").json() == {"ready": True}
    vitals.failed("the store did not answer")
    assert httpx.get(f"{address}/ready").json() == {"ready": False, "reason": "the store did not answer"}
    text = httpx.get(f"{address}/metrics").text
    assert "fraud_features_events_total 3.0" in text
    assert "fraud_features_lag 2.0" in text
    assert "fraud_features_failures_total 1.0" in text


def test_a_loop_that_fell_silent_is_neither_alive_nor_ready() -> None:
    vitals = Vitals(stuck_after_seconds=0, registry=CollectorRegistry())
    vitals.wrote(folded=0, lag=0)
    with probes(vitals, "127.0.0.1", 0) as port:
        assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 503
        assert "silent" in httpx.get(f"http://127.0.0.1:{port}/ready").json()["reason"]


def test_an_unknown_path_is_told_the_known_ones(address: str) -> None:
    answer = httpx.get(f"{address}/status")
    assert (answer.status_code, "/ready" in answer.json()["error"]) == (404, True)

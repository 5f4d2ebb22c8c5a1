"""Three models in one process: each with its own champion, readiness and metrics."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from fraud_kit import FolderRegistries, features, record
from kserve import InferenceGRPCClient
from predictor_process import RunningFraud
from test_fraud import records_input, rows_input


@pytest.fixture(scope="module")
def young(
    tmp_path_factory: pytest.TempPathFactory,
    free_port: Callable[[], int],
    wait_until: Callable[..., None],
    fraud_candidates: dict[str, Path],
) -> Iterator[RunningFraud]:
    """A predictor that has a champion for cards only; tests of this file follow one another."""
    running = RunningFraud(tmp_path_factory.mktemp("young"), free_port(), free_port())
    running.start()
    wait_until(lambda: running.status() == 503, 60, "the process")
    report = running.get("/ready")
    assert report is not None
    assert report.json()["reason"].startswith("fraud-card: no model")
    running.adopt(fraud_candidates["card"], "card")
    wait_until(lambda: running.status() == 200, 60, "the card model")
    yield running
    running.stop(signal.SIGKILL)


def ready(running: RunningFraud) -> dict[str, object]:
    report: dict[str, object] = httpx.get(f"{running.url}/ready").json()
    return report


def test_the_process_is_ready_with_the_required_model_and_lists_all(young: RunningFraud) -> None:
    report = ready(young)
    assert (report["ready"], report["required"]) == (True, ["fraud-card"])
    models = report["models"]
    assert {name: model["ready"] for name, model in models.items()} == {  # type: ignore[attr-defined]
        "fraud-card": True,
        "fraud-network": False,
        "fraud-crypto": False,
    }
    assert young.status("/v2/health/ready") == young.status("/v2/models/fraud-card/ready") == 200
    assert young.status("/v2/models/fraud-network/ready") == 503


async def test_a_model_without_a_champion_names_the_command_that_trains_it(young: RunningFraud) -> None:
    answer = young.infer("fraud-network", records_input(record("network")))
    command = "python -m pipelines run fraud-detection --target local --param detector=network --param data=PATH"
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert command in answer.json()["error"]
    assert command in httpx.get(f"{young.url}/v2/models/fraud-network").json()["error"]
    async with InferenceGRPCClient(young.grpc_target) as client:
        assert await client.is_model_ready("fraud-card")
        assert not await client.is_model_ready("fraud-network")


def test_a_model_that_is_none_is_404_with_the_nearest(young: RunningFraud) -> None:
    answer = young.infer("fraud-cards", records_input(record("card")))
    assert (answer.status_code, "did you mean 'fraud-card'" in answer.text) == (404, True)


def test_champions_come_one_by_one_and_bad_ones_never(
    young: RunningFraud, fraud_candidates: dict[str, Path], wait_until: Callable[..., None], tmp_path: Path
) -> None:
    young.adopt(fraud_candidates["network"], "network")
    wait_until(lambda: young.status("/v2/models/fraud-network") == 200, 30, "the network model")
    assert young.infer("fraud-network", records_input(record("network"))).status_code == 200
    assert young.infer("fraud-crypto", records_input(record("crypto"))).status_code == 503

    registry = FolderRegistries(young.folder / "registry").of("fraud-card")
    foreign = fraud_candidates["network"]
    from fraud_kit import bundle_of

    registry.add(bundle_of(foreign, young.folder / "foreign"))
    refused = "the version detects 'network'; this model is 'fraud-card'"
    wait_until(lambda: refused in str(ready(young)), 30, "the refusal")
    assert ready(young)["ready"]
    assert young.infer("fraud-card", records_input(record("card"))).json()["model_version"] == "1"


def test_metrics_are_by_model(young: RunningFraud) -> None:
    text = httpx.get(f"{young.url}/metrics").text
    assert 'predictor_ready{model="fraud-card"} 1.0' in text
    assert 'predictor_ready{model="fraud-crypto"} 0.0' in text
    assert 'predictor_requests_total{model="fraud-network",protocol="v2",status="200"}' in text
    assert 'predictor_requests_total{model="fraud-crypto",protocol="v2",status="503"}' in text


def test_states_that_cannot_be_read_stop_cards_by_record_and_nothing_else(
    young: RunningFraud, wait_until: Callable[..., None]
) -> None:
    down = young.folder / "states" / "down"
    down.touch()
    card = {**record("card"), "customer_id": "never-read"}
    answer = young.infer("fraud-card", records_input(card))
    assert (answer.status_code, "secret" in answer.text) == (503, False)
    assert young.infer("fraud-card", rows_input(features("card", 1))).status_code == 200
    assert young.infer("fraud-network", records_input(record("network"))).status_code == 200
    wait_until(lambda: young.status() == 503, 10, "the unreadiness")
    down.unlink()
    wait_until(lambda: young.status() == 200, 10, "the readiness")
    assert young.infer("fraud-card", records_input(card)).status_code == 200


def test_a_state_that_cannot_be_read_stops_its_customer_alone(young: RunningFraud) -> None:
    young.states.put("customer", "broken", b"\x09what is this")
    answer = young.infer("fraud-card", records_input({**record("card"), "customer_id": "broken"}))
    assert (answer.status_code, "materialise the states again" in answer.text) == (503, True)
    assert young.infer("fraud-card", records_input(record("card"))).status_code == 200


async def test_a_bad_row_fails_none_of_those_that_wait_with_it(young: RunningFraud) -> None:
    """Sent at once, so that they meet in the queue; rows and records with faults stand between good ones."""
    good, bad = record("network"), {**record("network"), "src_bytes": -1}
    url = f"{young.url}/v2/models/fraud-network/infer"
    async with httpx.AsyncClient(timeout=30) as client:
        sent = [client.post(url, json={"inputs": records_input(bad if n % 3 == 1 else good)}) for n in range(60)]
        answers = await asyncio.gather(*sent)
    assert [answer.status_code for answer in answers] == [422 if n % 3 == 1 else 200 for n in range(60)]
    probabilities = {answer.json()["outputs"][0]["data"][0] for answer in answers if answer.status_code == 200}
    assert max(probabilities) - min(probabilities) < 1e-6


def test_an_explaining_process_that_is_killed_is_started_again(young: RunningFraud) -> None:
    import psutil

    values = features("card", 2)
    assert young.infer("fraud-card", rows_input(values), explain=True).status_code == 200
    assert young.process is not None
    (worker,) = [
        child for child in psutil.Process(young.process.pid).children() if "spawn_main" in " ".join(child.cmdline())
    ]
    worker.kill()
    worker.wait(10)
    statuses = [young.infer("fraud-card", rows_input(values), explain=True).status_code for _ in range(2)]
    assert statuses[-1] == 200
    assert set(statuses) <= {200, 503}


def test_killed_it_serves_its_copies_again_and_leaves_nobody_behind(
    young: RunningFraud, wait_until: Callable[..., None]
) -> None:
    import psutil

    assert young.process is not None
    children = psutil.Process(young.process.pid).children(recursive=True)
    young.stop(signal.SIGKILL)
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    before = len(young.log())
    (young.folder / "registry" / "fraud-card" / "down").touch()
    young.start()
    wait_until(lambda: young.status() == 200, 60, "the restart")
    assert young.infer("fraud-card", records_input(record("card"))).json()["model_version"] == "1"
    assert young.stop(signal.SIGTERM) == 0
    assert "leaked" not in young.log()[before:]

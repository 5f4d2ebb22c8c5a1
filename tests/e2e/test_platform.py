"""The whole way, as a user walks it: one command, then curl; and what a kill -9 of each part costs."""

import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.e2e.ordinary import ordinary_payments

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(2700)]

MODEL = "crypto-forecast-1h"
SPEC_BODY = {"symbol": "BTC", "timeframe": "1h", "prediction_horizon": 24}


def _versions(platform: Any) -> list[dict[str, Any]]:
    answer = httpx.get(
        f"{platform.mlflow}/api/2.0/mlflow/model-versions/search", params={"filter": f"name='{MODEL}'"}, timeout=30
    )
    return [
        {**version, "tags": {tag["key"]: tag["value"] for tag in version.get("tags", ())}}
        for version in answer.json().get("model_versions", ())
    ]


def test_a_second_up_says_who_is_at_work(platform: Any) -> None:
    assert platform.second_up.returncode == 1
    assert "make up" in platform.second_up.stdout
    assert "process" in platform.second_up.stdout


def test_up_after_a_kill_in_mid_training_ends_with_a_forecast(platform: Any) -> None:
    assert "BTC" in platform.up.stdout
    assert platform.gateway in platform.up.stdout


def test_the_spec_body_is_answered_with_24_ordered_distributions(platform: Any) -> None:
    answer = httpx.post(f"{platform.gateway}/api/v1/crypto/predict", json=SPEC_BODY, timeout=30)
    assert answer.status_code == 200
    body = answer.json()
    assert [row["step"] for row in body["forecast"]] == list(range(1, 25))
    for row in body["forecast"]:
        bounds = [row["intervals"][level] for level in ("95", "80", "50")]
        assert (
            bounds[0][0]
            <= bounds[1][0]
            <= bounds[2][0]
            <= row["median"]
            <= bounds[2][1]
            <= bounds[1][1]
            <= bounds[0][1]
        )
        assert 0 < row["probability_up"] < 1
        assert row["expected_volatility"] > 0
    widths = [row["intervals"]["95"][1] - row["intervals"]["95"][0] for row in body["forecast"]]
    assert widths[23] > widths[0]
    assert body["model"] == MODEL
    assert body["model_version"] == platform.champion()
    assert body["stale"] is True


def test_mlflow_shows_both_networks_and_the_baseline_with_one_champion(platform: Any) -> None:
    versions = _versions(platform)
    networks = [version["tags"]["network"] for version in versions]
    assert sorted(networks) == ["har", "lstm", "transformer"]
    for version in versions:
        assert {"data_digest", "feature_digest", "code_revision", "bundle_digest"} <= version["tags"].keys()
    assert platform.champion() in {version["version"] for version in versions}


def test_the_promotion_is_logged_once_and_done(platform: Any) -> None:
    shown = platform.command("history", "crypto-forecast-1h", module="pipelines")
    assert shown.returncode == 0
    assert shown.stdout.count("done") == 1
    assert "intent" not in shown.stdout


def test_the_real_kserve_rest_client_gets_an_answer(platform: Any) -> None:
    code = f"""
import asyncio
from kserve import InferRequest, InferInput, InferenceRESTClient, RESTConfig
async def main():
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    request = InferInput("symbol", [2], "BYTES", data=["BTC", "ETH"])
    answer = await client.infer("{platform.predictor}", InferRequest("{MODEL}", [request]), model_name="{MODEL}")
    quantiles = next(o for o in answer.outputs if o.name == "quantiles")
    print(quantiles.shape, answer.model_version)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split("]")[0] == "[2, 24, 7", done.stderr


def test_the_real_kserve_grpc_client_gets_an_answer(platform: Any) -> None:
    code = f"""
import asyncio
from kserve import InferRequest, InferInput, InferenceGRPCClient
async def main():
    client = InferenceGRPCClient("127.0.0.1:{platform.ports["crypto_grpc"]}")
    request = InferInput("symbol", [1], "BYTES", data=[b"BTC"])
    answer = await client.infer(InferRequest("{MODEL}", [request]))
    print(next(o for o in answer.outputs if o.name == "quantiles").shape)
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.strip() == "[1, 24, 7]", done.stderr


def test_status_names_every_part(platform: Any) -> None:
    status = httpx.get(f"{platform.gateway}/status", timeout=30).json()
    text = str(status)
    for part in ("gateway", "crypto", "mlflow"):
        assert part in text
    assert platform.command("status").returncode == 0


def test_a_second_up_reuses_what_is_there(platform: Any) -> None:
    before = [version["version"] for version in _versions(platform)]
    started = time.monotonic()
    assert platform.command("up").returncode == 0
    assert time.monotonic() - started < 60, "nothing was to be trained, so this takes seconds"
    assert [version["version"] for version in _versions(platform)] == before


def test_a_killed_predictor_is_503_with_retry_after_and_comes_back(platform: Any, eventually: Any) -> None:
    platform.process("serving", "crypto").kill()
    answer = platform.predict()
    assert answer.status_code in (502, 503)
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert eventually(lambda: platform.predict().status_code == 200)


def test_forecasts_go_on_while_mlflow_is_dead(platform: Any, eventually: Any) -> None:
    old = platform.process("mlflow", "server").pid
    for process in platform.processes("mlflow"):
        process.kill()
    assert platform.predict().status_code == 200
    assert eventually(lambda: platform.champion() is not None)
    assert platform.process("mlflow", "server").pid != old


def test_ordinary_payments_are_accepted(platform: Any) -> None:
    told = [platform.analyze(**one).json() for one in islice(ordinary_payments(platform.state), 20)]
    accepted = sum(one["decision"] == "accept" for one in told)
    assert accepted >= 18, [(one["decision"], one["probability"], one["reasons"]) for one in told]


def test_a_burst_on_one_card_turns_the_decision_and_the_reasons_say_velocity(platform: Any) -> None:
    told = _burst(platform, _accepted(platform, 0))
    assert told[-1]["decision"] in ("review", "decline")
    assert any("within 10 minutes" in reason["text"] for reason in told[-1]["reasons"])
    assert told[-1]["alert"] is not None
    assert told[-1]["model_version"] and told[-1]["rule_set"]


def test_a_burst_is_seen_while_the_feature_writer_is_dead(platform: Any, eventually: Any) -> None:
    platform.process("feature_writer").kill()
    accepted = _accepted(platform, 100)
    *_, last = _burst(platform, accepted)
    assert last["probability"] > accepted["probability"]
    assert last["decision"] in ("review", "decline")
    assert any("within 10 minutes" in reason["text"] for reason in last["reasons"])
    assert eventually(lambda: platform.process("feature_writer").is_running())


def test_a_case_that_the_predictor_could_not_score_is_not_recorded(platform: Any, eventually: Any) -> None:
    platform.process("serving", "fraud").kill()
    case = {"transaction_id": "e2e-lost", "customer_id": "C0000031", "terminal_id": "T0000001", "amount_minor": 1200}
    answer = platform.analyze(**case)
    assert answer.status_code in (502, 503, 504)
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert eventually(lambda: platform.analyze(**case).status_code == 200)
    again = platform.analyze(**case)
    assert again.json()["transaction_id"] == "e2e-lost"


def test_a_detector_without_data_names_the_command_that_gives_it(platform: Any) -> None:
    answer = platform.analyze(kind="network", record={"duration": 0})
    assert answer.status_code in (422, 503)
    metadata = httpx.get(f"http://127.0.0.1:{platform.ports['fraud']}/v2/models/fraud-network", timeout=30)
    assert metadata.status_code == 503
    assert "--param detector=network --param data=PATH" in metadata.json()["error"]


def _accepted(platform: Any, skipped: int) -> dict[str, Any]:
    """An ordinary payment that was accepted, its customer's id with the answer."""
    for payment in islice(ordinary_payments(platform.state), skipped, skipped + 10):
        told = platform.analyze(**payment).json()
        if told["decision"] == "accept":
            return {**told, "customer_id": payment["customer_id"]}
    raise AssertionError("of ten ordinary payments none was accepted")


def _burst(platform: Any, accepted: dict[str, Any]) -> list[dict[str, Any]]:
    """Small payments in ten shops, one after the other, by the customer of an accepted one."""
    return [
        _answer(
            platform.analyze(
                customer_id=accepted["customer_id"],
                terminal_id=f"T{terminal:07d}",
                amount_minor=150 + 10 * terminal,
                explain="always",
            )
        )
        for terminal in range(10)
    ]


def _answer(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_killed_gateway_comes_back(platform: Any, eventually: Any) -> None:
    next(one for one in platform.processes("-m", "brain") if one.cmdline()[-1] == "brain").kill()
    assert eventually(lambda: platform.predict().status_code == 200)


def test_a_killed_supervisor_is_healed_by_the_next_up(platform: Any) -> None:
    platform.process("supervisord").kill()
    done = platform.command("up")
    assert done.returncode == 0, done.stdout[-3000:]
    assert platform.predict("ETH").status_code == 200


def test_down_leaves_no_process_and_up_serves_the_same_version_again(platform: Any) -> None:
    version = platform.champion()
    assert platform.command("down", timeout=120).returncode == 0
    left = [p for p in psutil.process_iter() if _belongs(p, platform.state)]
    assert left == []
    assert platform.command("up").returncode == 0
    assert platform.predict().json()["model_version"] == version


def test_a_taken_port_says_by_whom(platform: Any) -> None:
    assert platform.command("down", timeout=120).returncode == 0
    holder = subprocess.Popen(
        [sys.executable, "-m", "http.server", str(platform.ports["gateway"]), "--bind", "127.0.0.1"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        done = platform.command("up", timeout=120)
        assert done.returncode == 1
        assert str(holder.pid) in done.stdout
        assert "http.server" in done.stdout
    finally:
        holder.kill()
        holder.wait(10)
    assert platform.command("up").returncode == 0


def test_nothing_is_written_outside_the_state_folder(platform: Any) -> None:
    shown = subprocess.run(
        ["git", "status", "--porcelain", "-z", "--ignored", "--untracked-files=all"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    assert [line for line in shown if line.startswith("!!") and not line.startswith("!! .state/")] == []
    assert [line for line in shown if "mlruns" in line or "mlflow.db" in line or "local_outputs" in line] == []


def _belongs(process: psutil.Process, state: Path) -> bool:
    try:
        return process.environ().get("LOCAL_INSTANCE") == str(state)
    except psutil.Error:
        return False

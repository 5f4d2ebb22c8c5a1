"""What the fraud routes do while something that they need is away, or was set wrongly."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ANALYZE = "/api/v1/fraud/analyze"
CARD = {"customer_id": "C1", "terminal_id": "T1", "amount_minor": 100}
REPOSITORY = Path(__file__).resolve().parents[3]


async def test_without_the_decision_log_nothing_is_decided_and_the_caller_may_try_again(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    desk = await open_gateway(predictor.url, fraud_database_url="postgresql://aio@127.0.0.1:9/none")
    answer = await desk.client.post(ANALYZE, json=CARD)
    assert answer.status_code == 503 and answer.headers["retry-after"]
    assert "decision log" in answer.json()["detail"] and "127.0.0.1" not in answer.text
    parts = {part["name"]: part for part in (await desk.client.get("/status")).json()["parts"]}
    assert parts["decision log"]["state"] == "down"


async def test_more_recent_events_than_can_travel_are_told_and_nothing_is_recorded(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    desk = await open_gateway(predictor.url, fraud_recent_limit=2)
    for _ in range(3):
        assert (await desk.client.post(ANALYZE, json=CARD)).status_code == 200
    answer = await desk.client.post(ANALYZE, json=CARD)
    assert answer.status_code == 503 and "at most 2 can be sent along" in answer.json()["detail"]
    assert await desk.services.fraud.ledger.run(lambda log: log.head("fraud-card")) == 3


async def test_events_travel_on_for_a_moment_after_the_feature_store_has_them(
    open_gateway: Callable[..., Any], predictor: Any
) -> None:
    desk = await open_gateway(predictor.url, fraud_mirror_grace_seconds=30)
    await desk.client.post(ANALYZE, json=CARD)
    await desk.services.fraud.ledger.run(lambda log: log.set_cursor("fraud-features", 1))
    await desk.client.post(ANALYZE, json=CARD)
    assert [one["sequence"] for one in predictor.predictor.fraud.records[-1][0]["recent"]] == [1]


def test_a_rule_set_that_cannot_be_used_stops_the_start_with_its_line(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text("name: mine\ndetector: card\nrulez: []\n")
    environment = {
        **os.environ,
        "AIO_STATE_DIR": str(tmp_path),
        "BRAIN_PORT": "0",
        "BRAIN_FRAUD_RULES_PATH": str(rules),
    }
    command = [sys.executable, "-m", "brain"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, cwd=REPOSITORY)
    assert done.returncode == 1
    reason = json.loads(done.stderr.splitlines()[-1])["reason"]
    assert "rules.yaml, line 3: rulez: there is no such key" in reason

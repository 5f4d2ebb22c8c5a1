"""The route, the run store, a worker in this process and the solver, as a caller sees them."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from brain.capabilities.registry import build_registry
from brain.l20.strategy.execute import execution
from brain.l20.strategy.library import load_library
from brain.l20.strategy.settings import StrategySettings
from brain.runs import NewRun
from brain.runs.ids import new_run_id
from brain.worker.kinds import handlers
from tests.support.floor import Floor, Toys

PATH = "/api/v1/l20/strategize"
SPEC = {
    "objective": "Launch new product with integrated marketing campaign",
    "constraints": {"budget": 50000, "timeline": "30 days", "resources": {"cpu": 64, "gpu": 4}},
}
FORECAST = {"objective": "Serve bitcoin forecasts", "solver_seconds": 0}
LATER = {"Prefer": "respond-async"}


@pytest.fixture
async def gateway(open_gateway: Callable[..., Any], predictor: Any) -> Any:
    return await open_gateway(predictor.url)


@pytest.fixture
async def working(gateway: Any) -> AsyncIterator[Any]:
    """A function that starts a worker beside the gateway, with the product's handlers."""
    floor = Floor(gateway.services.settings.resolved_runs_url, Toys())
    kinds = handlers(floor.settings, floor.store, build_registry(gateway.services))
    async with contextlib.AsyncExitStack() as stack:

        async def start() -> None:
            await stack.enter_async_context(floor.working(kinds))

        yield start
    floor.store.close()


async def planned(gateway: Any, body: dict[str, Any], **headers: str) -> dict[str, Any]:
    answer = await gateway.client.post(PATH, json=body, headers=headers)
    assert answer.status_code == 200, answer.text
    run: dict[str, Any] = answer.json()
    assert run["state"] == "succeeded", run
    return run


async def test_the_specs_body_verbatim_gives_a_plan_that_holds(gateway: Any, working: Any) -> None:
    await working()
    run = await planned(gateway, SPEC)
    plan = run["result"]
    assert run["kind"] == "plan"
    assert plan["status"] in ("optimal", "feasible")
    assert {each["name"] for each in plan["playbooks"]} == {"product_launch", "marketing_campaign"}
    assert plan["cost_minor"] <= 5_000_000
    assert plan["makespan_hours"] <= plan["constraints"]["timeline_hours"]
    assert plan["risk"]["on_time"]["probability"] > 0.8
    assert plan["risk"]["within_budget"]["probability"] > 0.6
    assert plan["lower_bound"] <= plan["value"]
    assert len(plan["tasks"]) == 38
    assert set(plan["critical_path"]) == {task["id"] for task in plan["tasks"] if task["critical"]}
    given = {each["name"]: each["capacity"] for each in plan["resources"] if each["given_by"] == "request"}
    assert given == {"cpu": 64, "gpu": 4}
    assert run["progress"] == {"done": 4, "total": 4, "unit": "steps", "message": "planned"}


async def test_without_a_worker_the_order_is_durable_and_the_caller_is_not_kept(gateway: Any) -> None:
    answer = await gateway.client.post(PATH, json=SPEC, headers=LATER)
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/runs/{answer.json()['id']}"
    assert answer.json()["state"] == "queued"


async def test_the_chart_is_svg_that_can_run_nothing(gateway: Any, working: Any) -> None:
    await working()
    run = await planned(gateway, FORECAST)
    chart = await gateway.client.get(f"/api/v1/l20/plans/{run['id']}/gantt.svg")
    assert chart.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in chart.headers["content-security-policy"]
    assert ElementTree.fromstring(chart.text).tag.endswith("svg")
    assert chart.text == run["result"]["gantt_svg"]


async def test_a_plan_that_is_not_there_yet_has_no_chart_and_cannot_be_executed(gateway: Any) -> None:
    run = (await gateway.client.post(PATH, json=SPEC, headers=LATER)).json()
    chart = await gateway.client.get(f"/api/v1/l20/plans/{run['id']}/gantt.svg")
    assert (chart.status_code, chart.json()["state"]) == (409, "queued")
    assert (await gateway.client.post(f"/api/v1/l20/plans/{run['id']}/execute")).status_code == 409
    missing = await gateway.client.get("/api/v1/l20/plans/run_00000000000000000000000000/gantt.svg")
    assert missing.status_code == 404


async def test_an_infeasible_order_is_answered_with_what_collides(gateway: Any, working: Any) -> None:
    await working()
    body = {**SPEC, "constraints": {"budget": 9000, "timeline": "10 days"}, "solver_seconds": 2}
    run = await planned(gateway, body)
    plan = run["result"]
    assert plan["status"] == "infeasible"
    assert {"budget", "timeline"} >= set(plan["infeasible"]["collisions"]) != set()
    assert plan["risk"] is None
    assert (await gateway.client.get(f"/api/v1/l20/plans/{run['id']}/gantt.svg")).status_code == 409


async def test_execute_hands_what_is_served_to_orchestration_once(gateway: Any, working: Any) -> None:
    await working()
    run = await planned(gateway, {**FORECAST, "execute": True})
    executed = run["result"]["executed"]
    child = (await gateway.client.get(executed["href"], headers={"Prefer": "wait=10"})).json()
    assert (child["id"], child["kind"]) == (executed["run_id"], "orchestration")
    assert [(task["id"], task["type"]) for task in child["tasks"]] == [("baseline_forecast", "crypto_prediction")]
    assert child["state"] == "succeeded", child
    again = await gateway.client.post(f"/api/v1/l20/plans/{run['id']}/execute")
    assert again.json()["id"] == child["id"]


async def test_a_plan_can_be_executed_later(gateway: Any, working: Any) -> None:
    await working()
    run = await planned(gateway, FORECAST)
    assert run["result"]["executed"] is None
    answer = await gateway.client.post(f"/api/v1/l20/plans/{run['id']}/execute", headers={"Prefer": "wait=10"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["tasks"][0]["state"] == "succeeded"


async def test_a_plan_of_which_nothing_is_served_says_so(gateway: Any, working: Any) -> None:
    await working()
    run = await planned(gateway, {"objective": "Shoot a short film", "solver_seconds": 0, "execute": True})
    assert run["result"]["executed"] is None
    assert "not_executed" in {warning["code"] for warning in run["result"]["warnings"]}
    answer = await gateway.client.post(f"/api/v1/l20/plans/{run['id']}/execute")
    assert answer.status_code == 409
    assert "image_generation" in answer.json()["detail"]


async def test_the_same_key_and_body_give_the_same_plan_and_another_body_a_409(gateway: Any) -> None:
    headers = {**LATER, "Idempotency-Key": "plan-1"}
    first, again = [(await gateway.client.post(PATH, json=SPEC, headers=headers)).json() for _ in range(2)]
    assert first["id"] == again["id"]
    other = await gateway.client.post(PATH, json={**SPEC, "seed": 1}, headers=headers)
    assert (other.status_code, other.json()["run"]) == (409, first["id"])


async def test_a_cancelled_plan_ends_soon(gateway: Any, working: Any) -> None:
    body = {"objective": "Serve bitcoin forecasts", "solver_seconds": 20}
    run = (await gateway.client.post(PATH, json=body, headers=LATER)).json()
    await working()
    while (await gateway.client.get(f"/api/v1/runs/{run['id']}")).json()["progress"]["message"] != "solving":
        await asyncio.sleep(0.05)
    assert (await gateway.client.delete(f"/api/v1/runs/{run['id']}")).status_code == 202
    ended = (await gateway.client.get(f"/api/v1/runs/{run['id']}", headers={"Prefer": "wait=8"})).json()
    assert (ended["state"], ended["result"]) == ("cancelled", None)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"objective": "x"}, "/objective"),
    ({"objective": 7}, "/objective"),
    ({"colour": "red"}, "/colour"),
    ({"constraints": {"timeline": "soon"}}, "/constraints/timeline"),
    ({"constraints": {"timeline": 30}}, "/constraints/timeline"),
    ({"constraints": {"budget": -1}}, "/constraints/budget"),
    ({"constraints": {"budget": "50000"}}, "/constraints/budget"),
    ({"constraints": {"budget": 10.005}}, "/constraints/budget"),
    ({"constraints": {"budget": {"amount_minor": 100, "currency": "EUR"}}}, "/constraints/budget/currency"),
    ({"constraints": {"resources": {"cpu": -1}}}, "/constraints/resources/cpu"),
    ({"constraints": {"resources": {"cpu": 1.5}}}, "/constraints/resources/cpu"),
    ({"constraints": {"resources": {"gpus": 1}}}, "/constraints/resources/gpus"),
    ({"solver_seconds": 61}, "/solver_seconds"),
    ({"solver_seconds": True}, "/solver_seconds"),
    ({"quantile": 0.2}, "/quantile"),
    ({"playbook": "product_lunch"}, "/playbook"),
    ({"playbooks": ["nothing_like_it"]}, "/playbooks"),
    ({"domains": ["cryptos"]}, "/domains"),
    ({"starts_at": "2027-03-01T09:00:00"}, "/starts_at"),
    ({"starts_at": "2007-03-01T09:00:00Z"}, "/starts_at"),
    ({"starts_at": "9999-12-31T23:00:00Z"}, "/starts_at"),
    ({"calendar": {"hours_per_day": 0}}, "/calendar/hours_per_day"),
    ({"playbook": "web_app", "domains": ["crypto"]}, ""),
    ({"constraints": {"budget": True}}, "/constraints/budget"),
    ({"constraints": {"budget": {"amount": 5}}}, "/constraints/budget"),
]


async def test_what_cannot_be_planned_is_refused_with_its_place(gateway: Any) -> None:
    for change, pointer in REFUSED:
        answer = await gateway.client.post(PATH, json={**SPEC, **change})
        assert answer.status_code == 422, (change, answer.text)
        assert pointer in {error["pointer"] for error in answer.json()["errors"]}, (change, answer.text)


async def test_a_slip_in_a_name_gets_the_nearest(gateway: Any) -> None:
    answer = await gateway.client.post(PATH, json={**SPEC, "playbook": "product_lunch"})
    assert "did you mean 'product_launch'?" in answer.json()["detail"]


async def test_an_objective_that_no_playbook_fits_is_a_422_that_names_the_nearest(gateway: Any) -> None:
    answer = await gateway.client.post(PATH, json={"objective": "Improve the product"})
    assert answer.status_code == 422
    assert answer.json()["nearest"][:2] == ["product_launch", "product_content"]
    assert set(answer.json()["playbooks"]) >= {"web_app", "fraud_hardening"}


async def test_playbooks_and_domains_that_are_named_are_taken_whatever_the_words_say(gateway: Any) -> None:
    for body in ({"playbook": "web_app"}, {"playbooks": ["web_app"]}, {"domains": ["software"]}):
        answer = await gateway.client.post(PATH, json={"objective": "Improve the product", **body}, headers=LATER)
        assert answer.status_code == 202, answer.text
        run = await gateway.services.runs.run(lambda store, got=answer: store.get(got.json()["id"]))
        assert [each["name"] for each in run.request["playbooks"]] == ["web_app"]


async def test_a_resource_that_no_task_needs_is_a_warning(gateway: Any, working: Any) -> None:
    await working()
    body = {**FORECAST, "constraints": {"resources": {"designer": 2}}}
    run = await planned(gateway, body)
    assert run["result"]["warnings"] == [
        {"code": "resource_not_needed", "detail": "no task of the plan needs 'designer'"}
    ]


async def test_plans_need_the_scope_and_are_their_owners(open_gateway: Callable[..., Any], predictor: Any) -> None:
    gateway = await open_gateway(predictor.url, auth="required")
    reader, one, other = gateway.create_key("runs"), *(gateway.create_key("orchestrate", "runs") for _ in "ab")
    headers = {**LATER, "Authorization": f"Bearer {reader}"}
    assert (await gateway.client.post(PATH, json=SPEC, headers=headers)).status_code == 403
    headers["Authorization"] = f"Bearer {one}"
    run = (await gateway.client.post(PATH, json=SPEC, headers=headers)).json()
    stranger = {"Authorization": f"Bearer {other}"}
    answer = await gateway.client.get(f"/api/v1/l20/plans/{run['id']}/gantt.svg", headers=stranger)
    assert answer.status_code == 404


async def test_the_request_and_the_result_are_json_of_moderate_size(gateway: Any, working: Any) -> None:
    await working()
    run = await planned(gateway, {**SPEC, "solver_seconds": 0})
    assert len(json.dumps(run)) < 200_000


async def test_what_playbooks_ask_of_served_capabilities_is_what_those_take(gateway: Any) -> None:
    registry = gateway.services.capabilities
    served = {one.type for one in registry.served()}
    asked = [
        {"id": task.id, "capability": task.capability, "params": dict(task.params), "after": []}
        for playbook in load_library().values()
        for task in playbook.tasks
        if task.capability in served
    ]
    assert {task["capability"] for task in asked} == {"crypto_prediction", "fraud_analysis"}
    run = await gateway.services.runs.run(lambda store: store.create(NewRun(new_run_id(), "plan", "key_1", {}, "d")))
    new = execution(run, {"status": "optimal", "tasks": asked}, registry, datetime.now(UTC))
    assert len(new.tasks) == len(asked)


async def test_playbooks_that_cannot_be_used_are_a_503_that_tells_nothing_of_the_machine(
    open_gateway: Callable[..., Any], tmp_path: Path
) -> None:
    folder = tmp_path / "playbooks"
    folder.mkdir()
    (folder / "odd.yaml").write_text("name: odd")
    gateway = await open_gateway(l20=StrategySettings(playbooks_folder=folder))
    answer = await gateway.client.post(PATH, json=SPEC, headers=LATER)
    assert answer.status_code == 503
    assert str(tmp_path) not in answer.text


async def test_where_a_language_model_is_configured_and_away_words_decide_and_the_plan_warns(
    open_gateway: Callable[..., Any], free_port: Callable[[], int]
) -> None:
    settings = StrategySettings(llm_url=f"http://127.0.0.1:{free_port()}/v1", llm_model="planner")
    gateway = await open_gateway(l20=settings)
    answer = await gateway.client.post(PATH, json=SPEC, headers=LATER)
    run = await gateway.services.runs.run(lambda store: store.get(answer.json()["id"]))
    assert [warning["code"] for warning in run.request["warnings"]] == ["llm_not_used"]
    assert {each["chosen_by"] for each in run.request["playbooks"]} == {"bm25"}

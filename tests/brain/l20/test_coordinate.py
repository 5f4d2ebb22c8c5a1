"""Work across domains through the gateway."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from brain.capabilities import Answer, Call, Capability, Estimate, Registry
from brain.l20.coordination import coordination, merged
from brain.orchestration.request import CoordinateRequest
from brain.orchestration.submission import Submission
from brain.runs import NewRun, Task, TaskState
from runtime.problems import Problem
from tests.support.specification import spec_body

PATH = "/api/v1/l20/coordinate"
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
async def gateway(open_gateway: Callable[..., Any]) -> Any:
    return await open_gateway()


async def echo(call: Call) -> Answer:
    return Answer(dict(call.parameters))


def capability(name: str, domain: str, *after: str, served: bool = True) -> Capability:
    handler = echo if served else None
    return Capability(name, name, domain, None, lambda _parameters: Estimate(2.0, 3), after=after, handler=handler)


REGISTRY = Registry(
    [
        capability("image_generation", "media"),
        capability("video_generation", "media", "image_generation"),
        capability("advanced_media", "studio", "image_generation", served=False),
        capability("marketing", "intelligence", "image_generation", "video_generation", "advanced_media"),
        capability("swarm", "swarm", served=False),
    ]
)


def run(domains: list[str], task_specs: dict[str, Any], **terms: Any) -> NewRun:
    asked = CoordinateRequest(domains=domains, task_specs=task_specs, **terms)
    return coordination(asked, REGISTRY, Submission("ann", NOW))


def refused(domains: list[str], task_specs: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(Problem) as problem:
        run(domains, task_specs)
    assert problem.value.status == 422
    return {error.pointer: error.detail for error in problem.value.errors}


def ended(new: NewRun, states: dict[str, TaskState]) -> list[Task]:
    return [
        Task(
            task.id,
            task.type,
            task.parameters,
            task.after,
            task.options,
            task.estimate_minor,
            state=states[task.id],
            result={"of": task.id} if states[task.id] == "succeeded" else None,
            error=None if states[task.id] == "succeeded" else {"status": 500},
        )
        for task in new.tasks
    ]


async def test_the_specs_body_is_accepted_and_says_of_every_domain_what_became_of_it(gateway: Any) -> None:
    answer = await gateway.client.post(PATH, json=spec_body(PATH))
    assert answer.status_code == 202, answer.text
    assert (answer.json()["kind"], answer.json()["tasks"]) == ("coordination", [])
    kept = await gateway.services.runs.run(lambda store: store.get(answer.json()["id"]))
    found = merged(kept.request, [])
    assert {name: one["status"] for name, one in found.items()} == dict.fromkeys(
        spec_body(PATH)["domains"], "unavailable"
    )


async def test_a_domain_that_is_served_becomes_a_task(gateway: Any) -> None:
    body = {
        "domains": ["crypto_prediction", "fraud", "marketing"],
        "task_specs": {"crypto_prediction": {"symbol": "ETH"}, "marketing": {"campaign_type": "launch"}},
        "priority": "low",
    }
    found = (await gateway.client.post(PATH, json=body)).json()
    assert [task["type"] for task in found["tasks"]] == ["crypto_prediction"]
    kept = await gateway.services.runs.run(lambda store: store.get(found["id"]))
    assert kept.request["by_domain"]["fraud"]["status"] == "missing_spec"
    assert kept.request["by_domain"]["marketing"]["status"] == "unavailable"


async def test_parameters_are_held_against_the_capability(gateway: Any) -> None:
    body = {"domains": ["crypto_prediction"], "task_specs": {"crypto_prediction": {"symbol": 5}}}
    answer = await gateway.client.post(PATH, json=body)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/task_specs/crypto_prediction/symbol"]


async def test_the_same_key_gives_the_same_run(gateway: Any) -> None:
    headers = {"Idempotency-Key": "k"}
    first = await gateway.client.post(PATH, json=spec_body(PATH), headers=headers)
    again = await gateway.client.post(PATH, json=spec_body(PATH), headers=headers)
    other = await gateway.client.post(PATH, json={"domains": ["swarm"]}, headers=headers)
    assert again.json()["id"] == first.json()["id"]
    assert other.status_code == 409


def test_a_campaign_waits_for_its_pictures_and_the_rest_is_side_by_side() -> None:
    new = run(["marketing", "video_generation", "image_generation"], {name: {"x": 1} for name in spec_types})
    assert {task.id: task.after for task in new.tasks} == {
        "marketing": ("image_generation", "video_generation"),
        "video_generation": ("image_generation",),
        "image_generation": (),
    }
    assert [(task.estimate_seconds, task.estimate_minor) for task in new.tasks] == [(2.0, 3)] * 3


spec_types = ("marketing", "video_generation", "image_generation")


def test_a_result_can_be_referred_to_by_its_capability() -> None:
    specs = {
        "image_generation": {"n": 1},
        "swarm": {},
        "marketing": {"picture": "${tasks.image_generation.result.url}"},
    }
    new = run(["image_generation", "marketing", "swarm"], specs)
    assert new.tasks[1].after == ("image_generation",)
    assert list(refused(["marketing"], {"marketing": {"picture": "${tasks.swarm.result}"}})) == [
        "/task_specs/marketing/picture"
    ]


def test_a_domain_of_several_takes_parameters_by_type() -> None:
    new = run(["media"], {"media": {"image_generation": {"n": 1}, "video_generation": {"n": 2}}})
    assert {task.id: task.parameters for task in new.tasks} == {
        "image_generation": {"n": 1},
        "video_generation": {"n": 2},
    }
    both = merged(new.request, ended(new, {"image_generation": "succeeded", "video_generation": "failed"}))
    assert both == {
        "media": {
            "status": "partial",
            "tasks": {
                "image_generation": {"status": "succeeded", "result": {"of": "image_generation"}},
                "video_generation": {"status": "failed", "error": {"status": 500}},
            },
        }
    }
    one = run(["media"], {"media": {"video_generation": {}}})
    assert merged(one.request, ended(one, {"video_generation": "succeeded"}))["media"]["status"] == "succeeded"  # type: ignore[index]


def test_what_is_not_served_and_what_has_no_spec_is_said_and_never_run() -> None:
    new = run(["image_generation", "video_generation", "swarm", "studio", "media"], {"video_generation": {}})
    assert [task.id for task in new.tasks] == ["video_generation"]
    found = merged(new.request, ended(new, {"video_generation": "skipped"}))
    assert {name: one["status"] for name, one in found.items()} == {  # type: ignore[index]
        "image_generation": "missing_spec",
        "video_generation": "skipped",
        "swarm": "unavailable",
        "studio": "unavailable",
        "media": "missing_spec",
    }


def test_names_that_nobody_knows_come_with_the_nearest() -> None:
    assert "did you mean 'marketing'?" in refused(["markting"], {})["/domains/0"]
    assert "did you mean 'marketing'?" in refused(["marketing"], {"markting": {}})["/task_specs/markting"]
    found = refused(["media"], {"media": {"image_generatoin": {}, "video_generation": 3}})
    assert "did you mean 'image_generation'?" in found["/task_specs/media/image_generatoin"]
    assert "as an object" in found["/task_specs/media/video_generation"]


def test_nothing_is_asked_for_twice() -> None:
    assert list(refused(["swarm", "swarm"], {})) == ["/domains/1"]
    both = {"media": {"image_generation": {}}, "image_generation": {}}
    assert list(refused(["media", "image_generation"], both)) == ["/task_specs/image_generation"]


def test_the_terms_of_a_run_are_kept() -> None:
    new = run(["image_generation"], {"image_generation": {}}, priority="high", deadline_seconds=5.0)
    assert (new.priority, new.deadline, new.owner) == ("high", NOW.replace(second=5), "ann")
    assert (
        new.request_digest
        == run(["image_generation"], {"image_generation": {}}, priority="high", deadline_seconds=5.0).request_digest
    )
    assert replace(new, id="") != new

"""The run resource through the gateway: accepted, read, awaited, listed, cancelled."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

import psycopg
import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response

import brain.app
from brain.api.accepted import accepted
from brain.api.prefer import Wait, wanted_wait
from brain.runs import NewRun, NewTask, Progress, TaskChange
from brain.runs.desk_settings import RunDeskSettings
from brain.runs.ids import new_run_id
from brain.security.principal import require

RUNS, TOY = "/api/v1/runs", "/api/v1/toy"


async def toy(request: Request) -> Response:
    """Accepts a run of one task, as routes that make runs do."""
    principal = require(request, "orchestrate")
    new = NewRun(
        new_run_id(),
        "orchestration",
        principal.id,
        {"note": request.query_params.get("note", "")},
        request.query_params.get("note", ""),
        tasks=(NewTask("a", "crypto_prediction"),),
        idempotency_key=request.headers.get("idempotency-key"),
    )
    return await accepted(request, new, int(request.query_params.get("by_default", "0")))


@pytest.fixture
def toy_route(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that is opened after this has a route that makes runs, and looks for them only when it rings."""
    monkeypatch.setattr("brain.runs.watch.LOOK_SECONDS", 30.0)
    create = brain.app.create_api

    def with_toy(services: Any) -> FastAPI:
        api = create(services)
        api.add_api_route(TOY, toy, methods=["POST"])
        return api

    monkeypatch.setattr(brain.app, "create_api", with_toy)


@pytest.fixture
async def desk(database_url: str, open_gateway: Callable[..., Any], toy_route: None) -> AsyncIterator[Any]:
    """A gateway on either database."""
    yield await open_gateway(database_url=database_url)


@pytest.fixture
async def small(open_gateway: Callable[..., Any], toy_route: None) -> AsyncIterator[Any]:
    """A gateway on SQLite."""
    yield await open_gateway()


async def work(desk: Any, seconds: float = 0.0, state: str = "succeeded", result: object = None) -> None:
    """Be a worker for one run: claim it, take some time, end it."""

    def claim() -> Any:
        return desk.services.runs.ask(lambda store: store.claim("w", 30, ("orchestration",)))

    claimed = await asyncio.to_thread(claim)
    assert claimed is not None
    await asyncio.sleep(seconds)
    change = TaskChange("a", state, result=result)
    await desk.services.runs.run(
        lambda store: store.commit(
            claimed, [change], state=state, result={"a": result}, progress=Progress(1, 1, "tasks")
        )
    )


async def made(desk: Any, **options: Any) -> Any:
    answer = await desk.client.post(TOY, **options)
    assert answer.status_code == 202, answer.text
    return answer


async def test_a_run_is_answered_with_its_place_and_read_there(desk: Any) -> None:
    answer = await made(desk)
    run = answer.json()
    assert answer.headers["location"] == f"{RUNS}/{run['id']}" == run["links"]["self"]
    assert int(answer.headers["retry-after"]) >= 1
    assert (run["state"], run["kind"], run["tasks"][0]["state"], run["result"]) == (
        "queued",
        "orchestration",
        "waiting",
        None,
    )
    assert (await desk.client.get(f"{RUNS}/{run['id']}")).json() == run


async def test_a_wait_ends_within_a_moment_of_the_run(desk: Any) -> None:
    asked = asyncio.create_task(desk.client.post(TOY, headers={"Prefer": "wait=20"}))
    await asyncio.sleep(0.5)
    await work(desk, result={"x": 1})
    ended = time.monotonic()
    answer = await asked
    assert time.monotonic() - ended < 5, "long before anybody would have looked without the doorbell"
    assert answer.status_code == 200 and answer.headers["preference-applied"] == "wait=20"
    assert answer.headers["content-location"] == answer.json()["links"]["self"]
    assert (answer.json()["state"], answer.json()["result"]) == ("succeeded", {"a": {"x": 1}})


async def test_a_run_that_fails_ends_a_wait_too(small: Any) -> None:
    asked = asyncio.create_task(small.client.post(TOY, headers={"Prefer": "wait=20"}))
    await asyncio.sleep(0.3)
    await work(small, state="failed")
    answer = await asked
    assert (answer.status_code, answer.json()["state"]) == (200, "failed")
    assert answer.json()["links"]["retry"].endswith("/retry")


async def test_who_has_waited_long_enough_gets_the_run_as_it_stands(small: Any) -> None:
    begun = time.monotonic()
    answer = await small.client.post(TOY, headers={"Prefer": "wait=1"})
    assert answer.status_code == 202 and 0.9 < time.monotonic() - begun < 10
    again = await small.client.get(answer.headers["location"], headers={"Prefer": "wait=1"})
    assert again.status_code == 200 and again.json()["state"] == "queued"


async def test_a_wait_may_be_longer_than_the_gateways_deadline_and_the_callers_own_still_shortens_it(
    open_gateway: Callable[..., Any], toy_route: None
) -> None:
    hasty = await open_gateway(default_timeout_seconds=1.5)
    begun = time.monotonic()
    assert (await hasty.client.post(TOY, headers={"Prefer": "wait=3"})).status_code == 202
    assert time.monotonic() - begun > 2.9
    begun = time.monotonic()
    answer = await hasty.client.post(TOY, headers={"Prefer": "wait=30", "X-Timeout-Seconds": "2"})
    assert answer.status_code == 202 and time.monotonic() - begun < 2.5


async def test_a_route_may_wait_by_itself_and_respond_async_does_not(small: Any) -> None:
    begun = time.monotonic()
    assert (await small.client.post(TOY, params={"by_default": 1})).status_code == 202
    assert time.monotonic() - begun > 0.9
    begun = time.monotonic()
    answer = await small.client.post(TOY, params={"by_default": 20}, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202 and answer.headers["preference-applied"] == "respond-async"
    assert time.monotonic() - begun < 10


async def test_waiting_ends_when_the_gateway_stops(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brain.runs.watch.LOOK_SECONDS", 0.1)
    asked = asyncio.create_task(small.client.post(TOY, headers={"Prefer": "wait=30"}))
    await asyncio.sleep(0.3)
    small.services.draining = True
    begun = time.monotonic()
    assert (await asked).status_code == 202
    assert time.monotonic() - begun < 10


async def test_more_waits_than_are_allowed_are_answered_at_once(
    open_gateway: Callable[..., Any], toy_route: None
) -> None:
    narrow = await open_gateway(runs=RunDeskSettings(most_waits=1))
    first = asyncio.create_task(narrow.client.post(TOY, headers={"Prefer": "wait=2"}))
    await asyncio.sleep(0.2)
    begun = time.monotonic()
    assert (await narrow.client.post(TOY, headers={"Prefer": "wait=20"})).status_code == 202
    assert time.monotonic() - begun < 10
    await first


async def test_a_caller_that_hangs_up_cancels_nothing(small: Any) -> None:
    asked = asyncio.create_task(small.client.post(TOY, headers={"Prefer": "wait=30"}))
    await asyncio.sleep(0.3)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    (run,) = (await small.client.get(RUNS)).json()["runs"]
    assert run["state"] == "queued"


async def test_the_same_key_and_body_give_the_same_run_as_it_stands_now(desk: Any) -> None:
    headers = {"Idempotency-Key": "k-1"}
    first = (await made(desk, headers=headers)).json()
    assert (await made(desk, headers=headers)).json() == first
    await work(desk)
    again = await desk.client.post(TOY, headers=headers)
    assert (again.status_code, again.json()["id"], again.json()["state"]) == (200, first["id"], "succeeded")
    other = await desk.client.post(TOY, headers=headers, params={"note": "another"})
    assert other.status_code == 409 and first["id"] in other.json()["detail"] and other.json()["run"] == first["id"]


async def test_runs_are_listed_newest_first_in_pages_and_by_kind_and_state(desk: Any) -> None:
    ids = [(await made(desk)).json()["id"] for _ in range(5)]
    await work(desk)
    page = (await desk.client.get(RUNS, params={"limit": 2})).json()
    assert [run["id"] for run in page["runs"]] == ids[:2:-1] and "tasks" not in page["runs"][0]
    rest = (await desk.client.get(RUNS, params={"limit": 200, "cursor": page["next"]})).json()
    assert [run["id"] for run in rest["runs"]] == ids[2::-1] and rest["next"] is None
    ended = (await desk.client.get(RUNS, params={"state": "succeeded"})).json()["runs"]
    assert [run["id"] for run in ended] == ids[:1]
    assert (await desk.client.get(RUNS, params={"kind": "plan"})).json() == {"runs": [], "next": None}


@pytest.mark.parametrize(
    "query", [{"limit": 0}, {"limit": 201}, {"cursor": "x"}, {"state": "paused"}, {"kind": "\x00"}, {"cursor": "é"}]
)
async def test_a_list_that_cannot_be_given_is_a_422(small: Any, query: dict[str, Any]) -> None:
    answer = await small.client.get(RUNS, params=query)
    assert answer.status_code == 422 and answer.json()["detail"]


@pytest.mark.parametrize("run_id", ["run_" + "0" * 26, "nothing", "run_%00", "run_" + "0" * 5000])
@pytest.mark.parametrize("place", ["", "/events"])
async def test_what_is_no_run_is_a_404(small: Any, run_id: str, place: str) -> None:
    assert (await small.client.get(f"{RUNS}/{run_id}{place}")).status_code == 404
    assert (await small.client.delete(f"{RUNS}/{run_id}")).status_code == 404


async def test_a_run_is_its_owners_and_an_admins(open_gateway: Callable[..., Any], toy_route: None) -> None:
    locked = await open_gateway(auth="required")

    def by(*scopes: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {locked.create_key(*scopes)}"}

    makes = ("runs", "orchestrate", "predict")
    ann, bob, root, nobody = by(*makes), by(*makes), by("admin"), by("status")
    run = (await made(locked, headers=ann)).json()
    place = run["links"]["self"]
    for verb in ("GET", "DELETE"):
        hidden = await locked.client.request(verb, place, headers=bob)
        unknown = await locked.client.request(verb, f"{RUNS}/run_{'0' * 26}", headers=bob)
        assert hidden.status_code == unknown.status_code == 404
        assert hidden.json()["detail"].replace(run["id"], "") == unknown.json()["detail"].replace(f"run_{'0' * 26}", "")
        assert (await locked.client.request(verb, place, headers=nobody)).status_code == 403
    assert (await locked.client.get(f"{place}/events", headers=bob)).status_code == 404
    assert (await locked.client.get(RUNS, headers=bob)).json()["runs"] == []
    assert [one["id"] for one in (await locked.client.get(RUNS, headers=root)).json()["runs"]] == [run["id"]]
    assert (await locked.client.get(place, headers=root)).status_code == 200
    assert (await locked.client.delete(place, headers=root)).status_code == 202


async def test_a_queued_run_is_cancelled_at_once_and_an_ended_one_is_a_409(desk: Any) -> None:
    place = (await made(desk)).headers["location"]
    asked = await desk.client.delete(place)
    assert (asked.status_code, asked.json()["state"], asked.json()["tasks"][0]["state"]) == (
        202,
        "cancelled",
        "cancelled",
    )
    again = await desk.client.delete(place)
    assert again.status_code == 409 and again.json()["state"] == "cancelled"


async def test_a_running_run_is_asked_to_stop_as_often_as_one_likes_and_the_result_wins(desk: Any) -> None:
    place = (await made(desk)).headers["location"]
    working = asyncio.create_task(work(desk, 0.6, result=1))
    await asyncio.sleep(0.3)
    assert [(await desk.client.delete(place)).json()["state"] for _ in range(2)] == ["cancelling"] * 2
    await working
    assert (await desk.client.get(place)).json()["state"] == "succeeded"


async def test_while_the_database_is_away_the_answer_is_a_503(
    open_gateway: Callable[..., Any], toy_route: None, free_port: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    monkeypatch.setattr("brain.settings.BrainSettings.resolved_runs_url", nowhere)
    cut_off = await open_gateway()
    for answer in (await cut_off.client.post(TOY), await cut_off.client.get(RUNS)):
        assert answer.status_code == 503 and answer.headers["retry-after"] == "2"
        assert "run store" in answer.json()["detail"]


@pytest.mark.system("postgresql")
async def test_where_the_database_goes_away_after_acceptance_the_503_says_where_the_run_is(
    open_gateway: Callable[..., Any], toy_route: None, postgres_url: str, postgres_database: str
) -> None:
    gateway = await open_gateway(database_url=postgres_database)
    asked = asyncio.create_task(gateway.client.post(TOY, headers={"Prefer": "wait=2"}))
    await asyncio.sleep(1)
    name = postgres_database.rpartition("/")[2]
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
        connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
        answer = await asked
        assert answer.status_code == 503 and answer.headers["location"].endswith(answer.json()["run"])
        connection.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    assert (await gateway.client.get(answer.headers["location"])).json()["state"] == "queued"


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ([], Wait(20)),
        (["wait=10"], Wait(10, "wait=10")),
        (["return=minimal, Wait = 7; x=y"], Wait(7, "wait=7")),
        (['wait="3"'], Wait(3, "wait=3")),
        (["wait=600"], Wait(60, "wait=60")),
        (["wait=0"], Wait(0, "wait=0")),
        (["wait=5", "wait=9"], Wait(5, "wait=5")),
        (["wait=9, respond-async"], Wait(0, "respond-async")),
        (["wait=-1"], Wait(20)),
        (["wait=1.5"], Wait(20)),
        (["wait=x, wait=3"], Wait(20)),
        (["wait"], Wait(20)),
        (['"'], Wait(20)),
        (['x="a, wait=5, b"'], Wait(20)),
        ([",,;=,"], Wait(20)),
    ],
)
def test_preferences_are_read_as_rfc_7240_writes_them(headers: Sequence[str], wait: Wait) -> None:
    assert wanted_wait(headers, 20) == wait

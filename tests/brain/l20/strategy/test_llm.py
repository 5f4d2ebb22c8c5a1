"""Matchers behind an OpenAI-compatible endpoint, against a server that speaks its wire format."""

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from brain.clients.http import HttpClient
from brain.l20.strategy.library import load_library
from brain.l20.strategy.matchers import build_matcher
from brain.l20.strategy.playbook import Playbook
from brain.l20.strategy.settings import StrategySettings

LIBRARY = load_library()
CAMPAIGN = "Run a marketing campaign"


class Endpoint:
    """Answers what the test says, and keeps what it was asked."""

    def __init__(self) -> None:
        self.said: Any = {}
        self.status = 200
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []

    async def chat(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        self.keys.append(request.headers.get("authorization"))
        if isinstance(self.said, bytes):
            return web.Response(body=self.said, status=self.status)
        text = self.said if isinstance(self.said, str) else json.dumps(self.said)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        return web.json_response({"object": "chat.completion", "choices": [choice]}, status=self.status)

    async def embed(self, request: web.Request) -> web.Response:
        """Vectors of letters: texts with the same letters are alike."""
        asked = await request.json()
        self.asked.append(asked)
        if self.said:
            return web.json_response(self.said)
        rows = [
            {"index": place, "embedding": [text.lower().count(letter) for letter in "abcdefghijklmnopqrstuvwxyz"]}
            for place, text in enumerate(asked["input"])
        ]
        return web.json_response({"object": "list", "data": rows[::-1]})


@pytest.fixture
async def endpoint() -> AsyncIterator[tuple[Endpoint, str]]:
    served = Endpoint()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", served.chat)
    app.router.add_post("/v1/embeddings", served.embed)
    async with TestServer(app) as server:
        yield served, str(server.make_url("/v1"))


@pytest.fixture
async def http() -> AsyncIterator[HttpClient]:
    client = HttpClient(connect_seconds=1, connections=4)
    yield client
    await client.aclose()


@pytest.fixture
def matcher(endpoint: tuple[Endpoint, str], http: HttpClient) -> Any:
    settings = StrategySettings(llm_url=endpoint[1], llm_model="planner", llm_api_key="key-1", llm_seconds=1)
    return build_matcher(settings, http)


async def test_it_is_asked_for_json_with_the_library_and_the_schema(endpoint: Any, matcher: Any) -> None:
    endpoint[0].said = {"playbooks": ["web_app"], "playbook": None}
    found = await matcher.match("Make the booking thing")
    assert [(match.playbook.name, match.chosen_by) for match in found.matches] == [("web_app", "llm")]
    assert found.warnings == ()
    [asked] = endpoint[0].asked
    assert (asked["model"], asked["temperature"], asked["response_format"]) == ("planner", 0, {"type": "json_object"})
    system, user = asked["messages"]
    assert (user["role"], user["content"]) == ("user", "Make the booking thing")
    assert all(name in system["content"] for name in [*LIBRARY, "likely"])
    assert endpoint[0].keys == ["Bearer key-1"]


async def test_a_playbook_that_it_writes_in_the_schema_is_taken(endpoint: Any, matcher: Any, bread: Playbook) -> None:
    written = bread.model_dump(mode="json")
    written["tasks"][2]["replaced_by"] = None
    endpoint[0].said = {"playbooks": [], "playbook": written}
    found = await matcher.match("Bake a hundred loaves")
    assert [match.playbook.title for match in found.matches] == ["Bread"]


async def test_no_project_at_all_is_no_match(endpoint: Any, matcher: Any) -> None:
    endpoint[0].said = {"playbooks": [], "playbook": None}
    assert (await matcher.match("Hello")).matches == ()


def _broken(bread: Playbook) -> list[Any]:
    written = bread.model_dump(mode="json")
    circle = json.loads(json.dumps(written))
    circle["tasks"][0]["after"] = ["count"]
    taken = written | {"name": "web_app", "tasks": written["tasks"][:2]}
    return [
        "I would start with a plan.",
        {"playbooks": ["no_such_playbook"], "playbook": None},
        {"playbooks": [], "playbook": {"name": "x"}},
        {"playbooks": [], "playbook": circle},
        {"playbooks": [], "playbook": taken},
        {"playbooks": [], "playbook": written},  # links to a market that the library has not
        {"plan": "none"},
        b"<html>",
        b"[]",
        b"{}",
    ]


async def test_whatever_else_it_says_words_decide_and_the_answer_warns(
    endpoint: Any, matcher: Any, bread: Playbook
) -> None:
    for said in _broken(bread):
        endpoint[0].said = said
        found = await matcher.match(CAMPAIGN)
        assert [(each.playbook.name, each.chosen_by) for each in found.matches] == [("marketing_campaign", "bm25")], (
            said
        )
        [warning] = found.warnings
        assert warning.code == "llm_not_used"
        assert "words of the objective decided" in warning.detail


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_an_endpoint_that_refuses_is_not_waited_for(endpoint: Any, matcher: Any, status: int) -> None:
    endpoint[0].status = status
    found = await matcher.match(CAMPAIGN)
    assert found.matches[0].chosen_by == "bm25"
    assert str(status) in found.warnings[0].detail
    assert "key-1" not in found.warnings[0].detail


async def test_an_endpoint_that_is_not_there_is_a_warning(http: HttpClient, free_port: Callable[[], int]) -> None:
    settings = StrategySettings(llm_url=f"http://127.0.0.1:{free_port()}/v1", llm_model="planner", llm_seconds=1)
    found = await build_matcher(settings, http).match(CAMPAIGN)
    assert found.matches[0].chosen_by == "bm25"
    assert found.warnings[0].code == "llm_not_used"


async def test_embeddings_choose_what_is_most_alike(endpoint: Any, http: HttpClient) -> None:
    settings = StrategySettings(embeddings_url=endpoint[1], embeddings_model="sentences", embeddings_least=0.99)
    launch = LIBRARY["product_launch"]
    found = await build_matcher(settings, http).match(f"{launch.title}. {launch.summary}")
    assert [(match.playbook.name, match.score) for match in found.matches] == [("product_launch", 1.0)]
    assert found.matches[0].chosen_by == "embeddings"
    assert endpoint[0].asked[0]["model"] == "sentences"
    nothing = await build_matcher(settings, http).match("zzz xxx qqq")
    assert nothing.matches == ()
    assert len(nothing.nearest) == len(LIBRARY)


@pytest.mark.parametrize(
    "said",
    [
        {"data": "none"},
        {"data": [{"embedding": [1.0]}]},
        {"data": [{"embedding": ["a"]}]},
        {"data": [{"embedding": [0.0]}] * 9},
        {"data": [{"index": "first", "embedding": [1.0]}, *({"index": n, "embedding": [1.0]} for n in range(8))]},
    ],
)
async def test_embeddings_that_cannot_be_compared_are_not_used(endpoint: Any, http: HttpClient, said: Any) -> None:
    endpoint[0].said = said
    settings = StrategySettings(embeddings_url=endpoint[1], embeddings_model="sentences")
    found = await build_matcher(settings, http).match(CAMPAIGN)
    assert found.matches[0].chosen_by == "bm25"
    assert found.warnings[0].code == "embeddings_not_used"

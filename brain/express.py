"""A short way to a route that is asked hundreds of times a second.

The framework's way from its entrance to a handler (matching routes, exit stacks, reading the body twice, dependencies)
costs more than all that is ours around it. The route itself stays the framework's: it describes it, and it answers
whatever is not the usual request.
"""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

from fastapi import FastAPI
from starlette.responses import Response

from brain.json_body import JsonRequest
from runtime.problems import Problem, to_response
from runtime.tracing import current_request_id

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Message, Receive, Scope, Send

Endpoint = Callable[["Request", dict[str, object]], Coroutine[object, object, Response]]
"""A handler of a request and its JSON object."""


class Express:
    """Calls the handler of one POST route directly.

    Args:
        api: Has the route, and answers everything but a POST of a JSON object.
        path: The route's, without parameters.
        endpoint: Its handler; problems that it raises are answered as the framework's handlers would.
    """

    def __init__(self, api: FastAPI, path: str, endpoint: Endpoint) -> None:
        self._api = api
        self._endpoint = endpoint
        self._route = _PathOnly(path)

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["method"] != "POST":
            await self._api(scope, receive, send)
            return
        scope["app"], scope["route"] = self._api, self._route
        request = JsonRequest(scope, receive)
        try:
            document = await request.json()
            if not isinstance(document, dict):
                await self._api(scope, _again(await request.body()), send)
                return
            response = await self._endpoint(request, document)
        except Problem as problem:
            response = to_response(problem, current_request_id())
        await response(scope, receive, send)


class _PathOnly:
    """What the access log and metrics read of a route."""

    def __init__(self, path: str) -> None:
        self.path = path


def _again(body: bytes) -> "Receive":
    """Bring a body that was read once more."""

    async def receive() -> "Message":
        return {"type": "http.request", "body": body, "more_body": False}

    return receive

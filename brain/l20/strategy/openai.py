"""An endpoint that speaks the wire format of OpenAI's API, whoever serves it."""

import asyncio
import json
from collections.abc import Mapping

from brain.clients.http import HttpClient, HttpError

MOST_ANSWER_BYTES = 2 * 1024 * 1024


class EndpointError(Exception):
    """It could not be reached, or did not answer as it should; the text says which, and never what was sent."""


class OpenAiEndpoint:
    """One model behind one address.

    Args:
        http: The pooled client of the process.
        base_url: Such as `http://127.0.0.1:8080/v1`.
        model: Its name there.
        api_key: Sent as a bearer token; empty sends none.
        seconds: Longest wait for an answer.
    """

    def __init__(self, http: HttpClient, base_url: str, model: str, api_key: str = "", seconds: float = 6.0) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._model = model
        self._headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if api_key:
            self._headers["Authorization"] = f"Bearer {api_key}"
        self._seconds = seconds

    async def post(self, path: str, body: Mapping[str, object]) -> Mapping[str, object]:
        """Ask once.

        Raises:
            EndpointError: No answer in time, a status other than 200, or no JSON object.
        """
        content = json.dumps({"model": self._model, **body}).encode()
        url = f"{self._base_url}/{path}"
        try:
            async with asyncio.timeout(self._seconds):
                answer = await self._http.send("POST", url, self._headers, body=content, most_bytes=MOST_ANSWER_BYTES)
        except TimeoutError as error:
            raise EndpointError(f"it did not answer within {self._seconds:g} s") from error
        except HttpError as error:
            raise EndpointError("it could not be reached, or its answer broke off") from error
        if answer.status != 200:
            raise EndpointError(f"it answered with status {answer.status}")
        try:
            document = json.loads(answer.body)
        except ValueError as error:
            raise EndpointError("its answer is not JSON") from error
        if not isinstance(document, dict):
            raise EndpointError("its answer is not a JSON object")
        return document

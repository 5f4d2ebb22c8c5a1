"""One process behind the gateway: deadline, bounded retries, breaker, trace headers, bounded answers."""

import asyncio
import math
import random
import time
from collections.abc import Callable

from brain.clients.breaker import Breaker
from brain.clients.errors import (
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRefusedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from brain.clients.http import (
    Answer,
    AnswerTooLargeError,
    BrokenAnswerError,
    ConnectionFailedError,
    HttpClient,
    HttpError,
)
from brain.deadline import DEADLINE_HEADER, Deadline
from runtime.logs import get_logger
from runtime.tracing import outgoing_headers

MAX_ANSWER_BYTES = 8 * 1024 * 1024
BACKOFF_SECONDS = 0.05

Observer = Callable[[str, str, float], None]

_MAX_REASON_CHARACTERS = 300
_MAX_RETRY_AFTER_SECONDS = 60
_log = get_logger(__name__)


class Upstream:
    """Calls one service; every call must be safe to repeat.

    Args:
        name: What messages call it, such as `crypto predictor (1h)`.
        base_url: Its address.
        http: The pooled client that all upstreams share.
        attempts: How often a call is made while connections fail.
        breaker: Counts this service's failures.
        api_key: Sent as a bearer token; empty sends none.
        observe: Told the service, the outcome (`ok`, a status, `failed`) and the seconds of every call.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        http: HttpClient,
        *,
        attempts: int,
        breaker: Breaker,
        api_key: str = "",
        observe: Observer = lambda _service, _outcome, _seconds: None,
    ) -> None:
        self._observe = observe
        self._authorization = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self.name = name
        self.base_url = base_url.rstrip("/")
        self.breaker = breaker
        self._http = http
        self._attempts = attempts

    async def call(self, method: str, path: str, deadline: Deadline, *, body: bytes | None = None) -> Answer:
        """Make one idempotent call, with whatever tries it needs, and return its answer.

        Raises:
            UpstreamUnavailableError: No connection, the breaker is open, or it answered 429 or 503.
            UpstreamTimeoutError: No answer before the deadline.
            UpstreamRefusedError: Another 4xx.
            UpstreamProtocolError: Another status, or an answer that is too large or broken off.
        """
        begun = time.perf_counter()
        outcome = "failed"
        try:
            answer = await self._guarded(method, path, deadline, body)
            outcome = "ok"
            return answer
        except UpstreamError as error:
            outcome = str(error.status)
            raise
        finally:
            self._observe(self.name, outcome, time.perf_counter() - begun)

    async def _guarded(self, method: str, path: str, deadline: Deadline, body: bytes | None) -> Answer:
        waiting = self.breaker.admit()
        if waiting > 0:
            raise UpstreamUnavailableError(self.name, "its last calls all failed", max(1, math.ceil(waiting)))
        try:
            async with asyncio.timeout(deadline.remaining_seconds):
                answer = await self._attempt(method, path, deadline, body)
        except TimeoutError as error:
            # Not a failure to the breaker: a caller who allows a millisecond must not shut the service for others.
            raise UpstreamTimeoutError(self.name) from error
        except UpstreamError:
            self.breaker.failed()
            raise
        self.breaker.succeeded()
        return self._checked(answer)

    async def _attempt(self, method: str, path: str, deadline: Deadline, body: bytes | None) -> Answer:
        for attempt in range(1, self._attempts + 1):
            try:
                return await self._once(method, path, deadline, body)
            except AnswerTooLargeError as error:
                raise UpstreamProtocolError(self.name, str(error)) from error
            except (ConnectionFailedError, BrokenAnswerError) as error:
                _log.warning("upstream call failed", service=self.name, attempt=attempt, reason=str(error))
                if attempt == self._attempts:
                    raise self._given_up(error) from error
                await asyncio.sleep(BACKOFF_SECONDS * 2 ** (attempt - 1) * (0.5 + random.random()))  # noqa: S311
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _given_up(self, error: HttpError) -> UpstreamError:
        if isinstance(error, BrokenAnswerError):
            return UpstreamProtocolError(self.name, "its answer breaks off, is not HTTP or is encoded unasked")
        return UpstreamUnavailableError(self.name, "no connection")

    async def _once(self, method: str, path: str, deadline: Deadline, body: bytes | None) -> Answer:
        headers = {
            **self._authorization,
            **outgoing_headers(),
            DEADLINE_HEADER: deadline.header,
            "Accept": "application/json",
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        url = self.base_url + path
        return await self._http.send(method, url, headers, body=body, most_bytes=MAX_ANSWER_BYTES)

    def _checked(self, answer: Answer) -> Answer:
        """The answer if it is a success; otherwise the matching error."""
        if 200 <= answer.status < 300:
            return answer
        reason = error_text(answer.body)
        if answer.status in (429, 503):
            raise UpstreamUnavailableError(self.name, reason, _retry_after(answer.headers.get("retry-after")))
        if answer.status == 504:
            raise UpstreamTimeoutError(self.name)
        if 400 <= answer.status < 500:
            raise UpstreamRefusedError(self.name, answer.status, reason)
        raise UpstreamProtocolError(self.name, f"it answered with status {answer.status}")


def error_text(body: bytes) -> str:
    """What a KServe error document `{"error": "…"}` says, on one line and bounded."""
    from pydantic_core import from_json

    try:
        document = from_json(body)
    except ValueError:
        return "no reason given"
    text = document.get("error") if isinstance(document, dict) else None
    if not isinstance(text, str) or not text.strip():
        return "no reason given"
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain[:_MAX_REASON_CHARACTERS]


def _retry_after(value: str | None) -> int:
    """Whole seconds, rounded up, from 1 to a minute; 2 where the service names none that can be read."""
    try:
        seconds = math.ceil(float(value)) if value else 2
    except (ValueError, OverflowError):
        return 2
    return max(1, min(seconds, _MAX_RETRY_AFTER_SECONDS))

"""Asking a source again: exponential backoff with jitter, a bound, and the source's own Retry-After."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    wait_exponential_jitter,
)

from components.crypto.candles.port import SourceUnavailableError
from components.crypto.candles.settings import CandleSettings

T = TypeVar("T")


class TransientSourceError(Exception):
    """An attempt failed in a way that another may not; `retry_after_seconds` is what the source asked for, if any."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


def parse_retry_after(value: str | None) -> float | None:
    """Seconds in a Retry-After header; None where it is absent or a date."""
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None


async def with_retries(source: str, settings: CandleSettings, call: Callable[[], Awaitable[T]]) -> T:
    """Await `call()` until it succeeds, fails for good, or the attempts are spent.

    Only `TransientSourceError` is tried again.

    Raises:
        SourceUnavailableError: Names the source, the number of attempts and the last failure.
    """
    backoff = wait_exponential_jitter(
        initial=settings.retry_initial_seconds,
        max=settings.retry_max_seconds,
        jitter=settings.retry_initial_seconds,
    )

    def wait(state: RetryCallState) -> float:
        return max(backoff(state), _asked_wait(state))

    def stop(state: RetryCallState) -> bool:
        return state.attempt_number > settings.max_retries or _asked_wait(state) > settings.retry_max_seconds

    attempts = AsyncRetrying(
        stop=stop,
        wait=wait,
        retry=retry_if_exception_type(TransientSourceError),
        reraise=True,
    )
    try:
        return await attempts(call)
    except TransientSourceError as error:
        made = attempts.statistics.get("attempt_number", 1)
        raise SourceUnavailableError(f"{source} gave no usable answer in {made} attempts; the last: {error}") from error


def _asked_wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return (error.retry_after_seconds or 0.0) if isinstance(error, TransientSourceError) else 0.0


class Pacer:
    """Keeps requests at least `interval_seconds` apart."""

    def __init__(self, interval_seconds: float) -> None:
        self._interval_seconds = interval_seconds
        self._next = 0.0
        self._lock = asyncio.Lock()

    async def wait(self) -> None:
        """Return when the next request may start."""
        async with self._lock:
            delay = self._next - time.monotonic()
            if delay > 0:
                await asyncio.sleep(delay)
            self._next = time.monotonic() + self._interval_seconds

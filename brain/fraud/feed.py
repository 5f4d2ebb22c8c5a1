"""Alerts as server-sent events."""

import json
import time
from collections.abc import AsyncIterator, Callable

from brain.fraud.bell import Bell
from brain.fraud.courier import alert_document
from brain.fraud.ledger import Ledger
from runtime.decision_log import AlertEvent
from runtime.problems import Problem

LOOK_SECONDS = 1.0
PAGE = 100


class AlertFeed:
    """Streams what happens to alerts, from a number on.

    Args:
        ledger: Where it is read.
        bell: Rung when an alert was raised in this process.
        heartbeat_seconds: How often a quiet stream says that it lives.
        stopping: Whether the process is about to end; streams end with it.
        most: Streams at a time.
    """

    def __init__(
        self, ledger: Ledger, bell: Bell, heartbeat_seconds: float, stopping: Callable[[], bool], most: int
    ) -> None:
        self._ledger = ledger
        self._bell = bell
        self._heartbeat = heartbeat_seconds
        self._stopping = stopping
        self._most = most
        self._open = 0

    async def start(self, last_event_id: str | None) -> int:
        """The number to stream from: after the one given, or from now on.

        One beyond the newest comes from another log, and its listener would wait for years: it starts from now on.

        Raises:
            Problem: 422 where it is no number of ours, 503 where too many listen already.
        """
        if self._open >= self._most:
            detail = f"{self._open} streams are open, the most that this gateway keeps; ask for the list instead"
            raise Problem(503, detail=detail, headers={"Retry-After": "10"})
        last = await self._ledger.run(lambda log: log.alerts.last_number())
        if last_event_id is None:
            return last
        if not (last_event_id.isdecimal() and len(last_event_id) < 19):
            detail = f"Last-Event-ID must be a number that this stream gave, received {last_event_id[:40]!r}"
            raise Problem(422, detail=detail)
        return min(int(last_event_id), last)

    async def stream(self, after: int) -> AsyncIterator[bytes]:
        """Events after a number, for as long as somebody listens and the process lives."""
        self._open += 1
        try:
            yield b"retry: 2000\n: connected\n\n"
            said = time.monotonic()
            while not self._stopping():
                try:
                    page = await self._ledger.run(lambda log: log.alerts.events(after, PAGE))  # noqa: B023 - awaited
                except Problem:
                    page = ()  # the heartbeat goes on; the listener loses nothing, since the number stands
                for event in page:
                    after = event.number
                    yield _wire(event)
                if page:
                    said = time.monotonic()
                    continue
                if time.monotonic() - said >= self._heartbeat:
                    said = time.monotonic()
                    yield b": alive\n\n"
                await self._bell.wait(min(LOOK_SECONDS, self._heartbeat))
        finally:
            self._open -= 1


def _wire(event: AlertEvent) -> bytes:
    data = json.dumps(alert_document(event.alert), ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.number}\nevent: {event.event}\ndata: {data}\n\n".encode()

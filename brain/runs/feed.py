"""What happens to a run, as server-sent events."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

from brain.runs.desk import RunDesk
from brain.runs.port import TERMINAL, Run, RunEvent
from runtime.problems import Problem

PAGE = 200
AWAY_SECONDS = 1.0
"""Pause of a stream while the store does not answer."""

PROGRESS = "progress"
"""Events of this name that follow one another may be told as one."""


class RunFeed:
    """Streams the events of runs, from a number on to the terminal one.

    Args:
        desk: Where they are read.
        heartbeat_seconds: How often a quiet stream says that it lives.
        progress_seconds: Least time between two reports of progress on one stream.
        most: Streams at a time.
    """

    def __init__(self, desk: RunDesk, *, heartbeat_seconds: float, progress_seconds: float, most: int) -> None:
        self._desk = desk
        self._heartbeat = heartbeat_seconds
        self._progress = progress_seconds
        self._most = most
        self.open = 0

    async def start(self, run: Run, last_event_id: str | None) -> int | None:
        """The number to stream from: after the one given, or 0; None where nothing comes after it any more.

        One beyond the newest is none of this run's, and its listener would wait for ever: it starts from the newest.

        Raises:
            Problem: 422 where it is no number of ours, 503 where too many listen already.
        """
        if self.open >= self._most:
            detail = f"{self.open} streams are open, the most that this gateway keeps; ask for the run instead"
            raise Problem(503, detail=detail, headers={"Retry-After": "10"})
        if last_event_id is None:
            return 0
        if not (last_event_id.isascii() and last_event_id.isdecimal() and len(last_event_id) < 10):
            detail = f"Last-Event-ID must be a number that this stream gave, received {last_event_id[:40]!r}"
            raise Problem(422, detail=detail)
        standing = (await self._desk.run(lambda store: store.standings([run.id])))[run.id]
        after = min(int(last_event_id), standing.number)
        return None if standing.state in TERMINAL and after == standing.number else after

    async def stream(self, run_id: str, after: int) -> AsyncIterator[bytes]:
        """Events after a number, until the run has ended, the listener leaves or the process stops."""
        self.open += 1
        try:
            yield b"retry: 2000\n: connected\n\n"
            said = time.monotonic()
            while not self._desk.stopping():
                page = await self._page(run_id, after)
                for event in coalesced(page):
                    yield _wire(event)
                if page:
                    after, said = page[-1].number, time.monotonic()
                    if ends(page[-1]):
                        return
                    await asyncio.sleep(self._progress)
                    continue
                left = said + self._heartbeat - time.monotonic()
                if not await self._desk.watch.changed(run_id, after, max(0.0, left)):
                    said = time.monotonic()
                    yield b": alive\n\n"
        finally:
            self.open -= 1

    async def _page(self, run_id: str, after: int) -> Sequence[RunEvent]:
        try:
            return await self._desk.run(lambda store: store.events(run_id, after, PAGE))
        except Problem:
            await asyncio.sleep(AWAY_SECONDS)  # the listener loses nothing, since the number stands
            return ()


def ends(event: RunEvent) -> bool:
    """Whether nothing comes after an event."""
    return event.event in TERMINAL or event.body.get("state") in TERMINAL


def coalesced(events: Sequence[RunEvent]) -> list[RunEvent]:
    """The same with one event in the place of reports of progress that follow one another.

    It has the number of the last and every task that any of them names, in its last state.
    """
    found: list[RunEvent] = []
    for event in events:
        last = found[-1] if found else None
        if last is not None and last.event == event.event == PROGRESS and not ends(event):
            found[-1] = _together(last, event)
        else:
            found.append(event)
    return found


def _together(first: RunEvent, second: RunEvent) -> RunEvent:
    tasks: dict[object, object] = {}
    for event in (first, second):
        changes = event.body.get("tasks")
        for change in changes if isinstance(changes, list) else []:
            tasks.pop(change["id"], None)
            tasks[change["id"]] = change
    body = {**first.body, **second.body}
    return replace(second, body={**body, "tasks": list(tasks.values())} if tasks else body)


def _wire(event: RunEvent) -> bytes:
    document = {"run": event.run_id, "at": event.at.isoformat(), **event.body}
    data = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.number}\nevent: {event.event}\ndata: {data}\n\n".encode()

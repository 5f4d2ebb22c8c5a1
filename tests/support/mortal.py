"""Worker processes that die on cue, and an upstream that counts their calls.

A worker is a fork of the test's process, which has the libraries loaded; it opens connections of its own. All of it is
the product's but for the store, which kills its process before or after the n-th time it is to record something, and
for the capabilities, which ask the upstream.
"""

import asyncio
import json
import multiprocessing
import os
import signal
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.process import BaseProcess
from threading import Event, Lock, Thread
from typing import Any, TypeVar

from brain.capabilities.port import Answer, Call, Capability, Estimate
from brain.capabilities.registry import Registry
from brain.clients.http import HttpClient
from brain.runs.store import SqlRunStore
from brain.worker.process import work
from brain.worker.settings import WorkerSettings
from runtime.logs import configure_logging

_T = TypeVar("_T")
Death = tuple[str, int]
"""`before` or `after`, and the number of the record."""


class Upstream:
    """Real HTTP on the loopback: answers 1 more than it is sent, and counts calls by their key."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()
        self.holding: set[str] = set()
        self.go = Event()
        self._lock = Lock()
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                key = self.headers["Idempotency-Key"]
                number = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["number"]
                with upstream._lock:
                    upstream.calls[key] += 1
                    first = upstream.calls[key] == 1
                if first and key.rpartition("/")[2] in upstream.holding:
                    upstream.go.wait(60)
                body = json.dumps({"number": number + 1}).encode()
                try:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # who asked is dead

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def of(self, run_id: str) -> dict[str, int]:
        """Calls by task of one run."""
        with self._lock:
            return {key.rpartition("/")[2]: n for key, n in self.calls.items() if key.startswith(f"{run_id}/")}

    def close(self) -> None:
        self.go.set()
        self._server.shutdown()
        self._server.server_close()


class MortalStore(SqlRunStore):
    """Dies before or after the n-th claim or commit."""

    def __init__(self, url: str, death: Death | None) -> None:
        super().__init__(url)
        self._death = death
        self._number = 0

    def claim(self, *given: Any, **more: Any) -> Any:
        return self._recorded(lambda: super(MortalStore, self).claim(*given, **more))

    def commit(self, *given: Any, **more: Any) -> Any:
        return self._recorded(lambda: super(MortalStore, self).commit(*given, **more))

    def _recorded(self, record: Callable[[], _T]) -> _T:
        self._number += 1
        self._die_if("before")
        made = record()
        self._die_if("after")
        return made

    def _die_if(self, when: str) -> None:
        if self._death == (when, self._number):
            os.kill(os.getpid(), signal.SIGKILL)


def registry(http: HttpClient, url: str) -> Registry:
    """`next` asks the upstream and may be repeated; `buy` asks it and may not."""

    async def ask(call: Call) -> Answer:
        headers = {"Idempotency-Key": call.key, "Content-Type": "application/json"}
        body = json.dumps({"number": call.parameters["number"]}).encode()
        answer = await http.send("POST", url, headers, body=body, most_bytes=1000)
        return Answer(json.loads(answer.body), cost_minor=1)

    def make(name: str, **more: Any) -> Capability:
        return Capability(name, name, "tests", None, lambda _parameters: Estimate(0.1, 1), handler=ask, **more)

    return Registry([make("next"), make("buy", resumable=False)])


def start(url: str, upstream: str, death: Death | None = None, **settings: Any) -> BaseProcess:
    """A worker process; call it only while no other thread works on a store, whose locks the fork would inherit."""
    chosen = WorkerSettings(**{"port": 0, "lease_seconds": 1.5, "poll_seconds": 0.2, **settings})

    def live() -> None:
        configure_logging("brain-worker", level="ERROR")
        asyncio.run(
            work(
                chosen,
                url,
                open_store=lambda address: MortalStore(address, death),
                registry_of=lambda parts: registry(parts.http, upstream),
            )
        )

    process = multiprocessing.get_context("fork").Process(target=live)
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    """End a process that a test has no more use for."""
    if process.is_alive():
        process.kill()
    process.join(10)

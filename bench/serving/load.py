"""The load: connections that ask, wait for the answer and ask again, from a process of its own.

`python -m bench.serving.load` reads a plan as JSON on standard input and writes what it saw as JSON.
"""

import asyncio
import base64
import json
import sys
import time
from dataclasses import asdict, dataclass

WARM_UP_SECONDS = 0.3


@dataclass(frozen=True)
class Plan:
    """`requests` are whole HTTP requests, base64; connection i sends number i modulo their count."""

    port: int
    connections: int
    seconds: float
    requests: list[str]


@dataclass(frozen=True)
class Seen:
    """Answers within the measured time; latencies in seconds, ascending."""

    answers: int
    failures: int
    seconds: float
    latencies: list[float]


class Caller(asyncio.Protocol):
    """One keep-alive connection."""

    def __init__(self, request: bytes, log: list[tuple[float, float, bool]]) -> None:
        self._request, self._log = request, log
        self._buffer = bytearray()
        self._expected = -1
        self._sent = 0.0
        self.stopped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask the first time."""
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        """Collect an answer; when it is whole, note it and ask again."""
        self._buffer += data
        if self._expected < 0:
            head = self._buffer.find(b"\r\n\r\n")
            if head < 0:
                return
            start = self._buffer.index(b"content-length: ") + 16
            self._expected = head + 4 + int(self._buffer[start : self._buffer.index(b"\r\n", start)])
        if len(self._buffer) < self._expected:
            return
        now = time.perf_counter()
        self._log.append((now, now - self._sent, self._buffer.startswith(b"HTTP/1.1 200")))
        self._buffer.clear()
        self._expected = -1
        if not self.stopped:
            self._ask()

    def _ask(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)  # type: ignore[attr-defined]


def http_request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """A whole HTTP/1.1 request."""
    lines = [f"POST {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def drive(plan: Plan) -> Seen:
    """Run the plan."""
    loop = asyncio.get_running_loop()
    log: list[tuple[float, float, bool]] = []
    requests = [base64.b64decode(one) for one in plan.requests]
    callers = []
    for number in range(plan.connections):
        request = requests[number % len(requests)]
        transport, caller = await loop.create_connection(
            lambda request=request: Caller(request, log),  # type: ignore[misc]
            "127.0.0.1",
            plan.port,
        )
        callers.append((transport, caller))
    await asyncio.sleep(WARM_UP_SECONDS)
    begun = time.perf_counter()
    print("begin", flush=True)
    await asyncio.sleep(plan.seconds)
    ended = time.perf_counter()
    print("end", flush=True)
    for transport, caller in callers:
        caller.stopped = True
        transport.close()
    counted = [(latency, good) for at, latency, good in log if begun <= at <= ended]
    latencies = sorted(latency for latency, good in counted if good)
    return Seen(len(counted), len(counted) - len(latencies), ended - begun, latencies)


def main() -> None:
    """Read the plan, run it, write what was seen."""
    import uvloop

    plan = Plan(**json.load(sys.stdin))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(asdict(runner.run(drive(plan)))))


if __name__ == "__main__":
    main()

"""What the feature writer answers over HTTP: `/health`, `/ready` and `/metrics`."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, Counter, Gauge

from runtime.metrics import exposition

_READ_SECONDS = 5.0


class Vitals:
    """How the writer is, told by the loop and read by probes.

    Args:
        stuck_after_seconds: Silence of the loop from which the process counts as stuck.
        registry: Where its metrics live.
    """

    def __init__(self, stuck_after_seconds: float, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._stuck_after_seconds = stuck_after_seconds
        self._turned_at = time.monotonic()
        self._failure = "the log has not been read yet"
        self._folded = Counter("fraud_features_events", "Events folded into states.", registry=registry)
        self._lag = Gauge("fraud_features_lag", "Events committed and not yet folded.", registry=registry)
        self._failures = Counter("fraud_features_failures", "Turns that failed.", registry=registry)

    def turned(self, folded: int, lag: int) -> None:
        """A turn of the loop went well."""
        self._turned_at, self._failure = time.monotonic(), ""
        self._folded.inc(folded)
        self._lag.set(lag)

    def failed(self, reason: str) -> None:
        """A turn failed and will be tried again."""
        self._turned_at, self._failure = time.monotonic(), reason
        self._failures.inc()

    @property
    def alive(self) -> bool:
        """Whether the loop still turns, well or not."""
        return time.monotonic() - self._turned_at < self._stuck_after_seconds

    @property
    def reason(self) -> str:
        """Why states are not written now; empty while they are."""
        return self._failure if self.alive else f"the loop has been silent for over {self._stuck_after_seconds:g} s"


@contextmanager
def probes(vitals: Vitals, host: str, port: int) -> Iterator[int]:
    """Answer probes from a thread while the block runs; gives the port.

    Args:
        vitals: What is told.
        host: Address to bind.
        port: 0 takes a free one.

    Raises:
        OSError: The address is taken.
    """
    server = ThreadingHTTPServer((host, port), _handler(vitals))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _handler(vitals: Vitals) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = _READ_SECONDS  # a caller that sends nothing holds a thread no longer

        def do_GET(self) -> None:  # noqa: N802 - the library's name
            if self.path == "/metrics":
                body, kind = exposition(vitals.registry)
                self._answer(200, body, kind)
            elif self.path == "/health":
                status = "alive" if vitals.alive else "stuck"
                self._answer(200 if vitals.alive else 503, _json({"status": status}))
            elif self.path == "/ready":
                reason = vitals.reason
                told: dict[str, object] = {"ready": not reason} | ({"reason": reason} if reason else {})
                self._answer(503 if reason else 200, _json(told))
            else:
                self._answer(404, _json({"error": f"no path {self.path!r}; ask /health, /ready or /metrics"}))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Nothing: probes come every few seconds."""

        def _answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _json(content: dict[str, object]) -> bytes:
    return json.dumps(content).encode()

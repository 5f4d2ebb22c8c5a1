"""What the feature writer answers over HTTP: `/health`, `/ready` and `/metrics`."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from prometheus_client import CollectorRegistry, Counter, Gauge

from runtime.metrics import exposition
from runtime.vitals import LoopVitals

_READ_SECONDS = 5.0


class Vitals(LoopVitals):
    """How the writer is, told by the loop and read by probes.

    Args:
        stuck_after_seconds: Silence of the loop from which the process counts as stuck.
        registry: Where its metrics live.
    """

    def __init__(self, stuck_after_seconds: float, registry: CollectorRegistry) -> None:
        failures = Counter("fraud_features_failures", "Turns that failed.", registry=registry)
        super().__init__(stuck_after_seconds, "the log has not been read yet", failures, registry)
        self._folded = Counter("fraud_features_events", "Events folded into states.", registry=registry)
        self._lag = Gauge("fraud_features_lag", "Events committed and not yet folded.", registry=registry)

    def wrote(self, folded: int, lag: int) -> None:
        """A turn of the loop went well: it folded events, and others are left."""
        self.turned()
        self._folded.inc(folded)
        self._lag.set(lag)


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
                self._tell(*vitals.health())
            elif self.path == "/ready":
                self._tell(*vitals.ready())
            else:
                self._tell(404, {"error": f"no path {self.path!r}; ask /health, /ready or /metrics"})

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            """Nothing: probes come every few seconds."""

        def _tell(self, status: int, told: dict[str, object]) -> None:
            self._answer(status, json.dumps(told).encode(), "application/json")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler

"""Wire servers on free ports, and settings with short waits."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from components.crypto.candles.settings import CandleSettings
from runtime.object_store.local import LocalObjectStore
from tests.components.crypto.candles.wire import HOUR, START, BinanceServer, WireServer, history

Serve = Callable[[WireServer], WireServer]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start a wire server on a free port; it stops with the test."""
    running: list[ThreadingHTTPServer] = []

    def start(wire: WireServer) -> WireServer:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                status, body, headers = wire.answer(parts.path, dict(parse_qsl(parts.query)))
                try:
                    self.send_response(status)
                    for name, value in {**headers, "Content-Length": str(len(body))}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def log_message(self, format: str, *args: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        running.append(server)
        wire.url = f"http://127.0.0.1:{server.server_address[1]}"
        return wire

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(serve: Serve, request: pytest.FixtureRequest) -> BinanceServer:
    """An exchange that has as many bars of BTC and ETH as `BARS` of the test's file says."""
    bars: int = request.module.BARS
    wire = BinanceServer({"BTC": history(bars), "ETH": history(bars)}, START + bars * HOUR)
    serve(wire)
    return wire


@pytest.fixture
def objects(tmp_path: Path) -> LocalObjectStore:
    return LocalObjectStore(tmp_path / "objects")


@pytest.fixture
def make_settings() -> Callable[..., CandleSettings]:
    """Settings with short waits; keyword arguments override."""

    def make(**overrides: object) -> CandleSettings:
        quick: dict[str, object] = {
            "since": START,
            "retry_initial_seconds": 0.01,
            "retry_max_seconds": 2.0,
            "timeout_seconds": 5.0,
            "exchange_rate_limit_ms": 1,
            "coingecko_requests_per_minute": 1000,
            "coingecko_pro_api_key": "test-key",
        }
        return CandleSettings.model_validate({**quick, **overrides})

    return make

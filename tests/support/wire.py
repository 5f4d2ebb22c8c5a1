"""A local server that speaks the predictor's wire contract: real HTTP, invented numbers, and bad days on request.

It stands in for the predictor process at the edge of the machine; the gateway under test is the real one.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import NormalDist
from threading import Thread

from tests.support.fraud_wire import FraudWire

LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
SYMBOLS = ("ADA", "BTC", "DOGE", "ETH", "SOL", "XRP")
PRICES = {"ADA": 0.42, "BTC": 97_300.0, "DOGE": 0.11, "ETH": 3_480.0, "SOL": 188.0, "XRP": 0.61}
INDICATORS = (
    "rsi_14",
    "macd",
    "macd_signal",
    "macd_histogram",
    "sma_24",
    "sma_168",
    "ema_12",
    "ema_26",
    "bollinger_upper_20",
    "bollinger_lower_20",
    "atr_14",
    "realised_volatility_24",
)
MODEL = "crypto-forecast-1h"
HOURLY_VOLATILITY = 0.005
DRIFT = 0.0004
"""Of the median log return an hour, so that a rise is likelier than a fall."""

JSON = {"content-type": "application/json"}


@dataclass
class WirePredictor:
    """What the server answers, changed by tests while it runs."""

    as_of: datetime = field(default_factory=lambda: datetime.fromtimestamp(time.time() // 3600 * 3600, UTC))
    network: str = "lstm"
    version: str = "3"
    input_distance: float = 2.1
    unusual_features: tuple[str, ...] = ()
    delay_seconds: float = 0.0
    answer: Callable[[str], tuple[int, dict[str, str], bytes] | None] | None = None
    """Given a path, an answer that stands in for the usual one, or None for the usual one."""

    fraud: FraudWire = field(default_factory=FraudWire)
    """What the fraud models answer; see `fraud_wire.py`."""

    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)
    """Method, path, lower-case headers and body of every request."""

    def respond(
        self, method: str, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, dict[str, str], bytes]:
        self.seen.append((method, path, headers, body))
        if self.answer is not None and (given := self.answer(path)) is not None:
            return given
        if path.startswith("/v2/models/fraud-"):
            return _json(*self.fraud.respond(path, body))
        if path == "/version":
            return 200, {"content-type": "text/plain"}, b"3.17.2"
        if path == f"/v2/models/{MODEL}":
            return _json(200, self.metadata())
        if path == f"/v2/models/{MODEL}/ready":
            return _json(200, {"name": MODEL, "ready": True})
        if path == f"/v2/models/{MODEL}/infer" and method == "POST":
            return self._infer(json.loads(body))
        return _json(404, {"error": f"there is no model at {path}"})

    def metadata(self) -> dict[str, object]:
        return {
            "name": MODEL,
            "versions": [self.version],
            "platform": "onnx",
            "inputs": [{"name": "symbol", "datatype": "BYTES", "shape": [-1]}],
            "outputs": [{"name": "quantiles", "datatype": "FP32", "shape": [-1, 24, 7]}],
            "properties": {
                "symbols": list(SYMBOLS),
                "unique_ids": [f"binance:usdm-perp:{symbol}-USDT" for symbol in SYMBOLS],
                "market": "usdm-perp",
                "timeframe": "1h",
                "horizon_bars": 24,
                "quantile_levels": list(LEVELS),
                "network": self.network,
                "feature_digest": "0123456789ab",
                "registered_name": MODEL,
            },
        }

    def _infer(self, request: dict[str, object]) -> tuple[int, dict[str, str], bytes]:
        symbols = request["inputs"][0]["data"]
        unknown = [symbol for symbol in symbols if symbol not in SYMBOLS]
        if unknown:
            return _json(404, {"error": f"there is no symbol {unknown[0]!r}"})
        bars = request.get("parameters", {}).get("history_bars", 0)
        return _json(200, self.inference(symbols, bars))

    def inference(self, symbols: list[str], bars: int = 0) -> dict[str, object]:
        rows, steps = len(symbols), 24
        outputs = [
            _tensor("quantiles", "FP32", [rows, steps, len(LEVELS)], [q for _ in symbols for q in quantiles()]),
            _tensor("quantile_levels", "FP32", [len(LEVELS)], list(LEVELS)),
            _tensor("as_of", "BYTES", [rows], [self.as_of.isoformat()] * rows),
            _tensor("last_close", "FP64", [rows], [candles(s, 168, self.as_of)[-1][4] for s in symbols]),
            _tensor("indicator_names", "BYTES", [len(INDICATORS)], list(INDICATORS)),
            _tensor("indicators", "FP64", [rows, len(INDICATORS)], [v for s in symbols for v in indicators(s, 0)]),
            _tensor("input_distance", "FP32", [rows], [self.input_distance] * rows),
            _tensor("unusual_features", "BYTES", [rows], [json.dumps(self.unusual_features)] * rows),
        ]
        if bars:
            flat = [v for s in symbols for candle in candles(s, bars, self.as_of) for v in candle]
            outputs.append(_tensor("candles", "FP64", [rows, bars, 6], flat))
            history = [v for s in symbols for bar in range(bars) for v in indicators(s, bars - 1 - bar)]
            outputs.append(_tensor("indicator_history", "FP64", [rows, bars, len(INDICATORS)], history))
        return {
            "model_name": MODEL,
            "model_version": self.version,
            "id": "1",
            "parameters": {"network": self.network, "feature_digest": "0123456789ab", "bundle_digest": "f" * 64},
            "outputs": outputs,
        }


def quantiles(steps: int = 24) -> list[float]:
    """Normal quantiles whose width grows with the root of time, flattened [H, Q]."""
    normal = NormalDist()
    return [
        DRIFT * h + HOURLY_VOLATILITY * math.sqrt(h) * normal.inv_cdf(level)
        for h in range(1, steps + 1)
        for level in LEVELS
    ]


def candles(symbol: str, bars: int, as_of: datetime) -> list[list[float]]:
    """A smooth walk that ends at `as_of`: epoch seconds of the open, open, high, low, close, volume."""
    last = as_of.timestamp()
    rows = []
    for bar in range(bars):
        back = bars - bar
        opening, close = _price(symbol, back), _price(symbol, back - 1)
        wick = 0.002 * _price(symbol, back) * (1 + math.sin(back * 1.7 + len(symbol)) ** 2)
        volume = 1000 * (1.5 + math.sin(back / 4))
        rows.append(
            [last - back * 3600, opening, max(opening, close) + wick, min(opening, close) - wick, close, volume]
        )
    return rows


def indicators(symbol: str, bars_back: int) -> list[float]:
    """Values of every indicator, some bars before the last; plausible, not computed from the candles."""
    price = _price(symbol, bars_back)
    wave = math.sin(bars_back / 9 + len(symbol))
    macd, signal = 0.004 * price * wave, 0.004 * price * math.sin((bars_back + 3) / 9 + len(symbol))
    band = 0.012 * price
    return [
        50 + 28 * wave,
        macd,
        signal,
        macd - signal,
        price,
        price,
        price,
        price,
        price + band,
        price - band,
        band / 3,
        0.006,
    ]


def _price(symbol: str, back: int) -> float:
    wave = 0.02 * math.sin(back / 17 + len(symbol)) + 0.008 * math.sin(back / 5) + 0.004 * math.sin(back * 1.3)
    return PRICES[symbol] * math.exp(wave)


def _tensor(name: str, datatype: str, shape: list[int], data: list[object]) -> dict[str, object]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def _json(status: int, document: object) -> tuple[int, dict[str, str], bytes]:
    return status, JSON, json.dumps(document).encode()


class WireServer:
    """Serves a `WirePredictor` from a thread; `stop` and `start` keep the port."""

    def __init__(self, predictor: WirePredictor, port: int = 0) -> None:
        self.predictor = predictor
        self.port = port
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "WireServer":
        predictor = self.predictor

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1  # head and body in one packet, or each answer waits 40 ms for an acknowledgement
            disable_nagle_algorithm = True

            def setup(self) -> None:
                super().setup()
                server.connections.append(self.connection)

            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                if predictor.delay_seconds and "/infer" in self.path:
                    time.sleep(predictor.delay_seconds)
                status, answered, content = predictor.respond(self.command, self.path, headers, body)
                self.send_response(status)
                for name, value in {"content-length": str(len(content)), **answered}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = _handle

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True
            request_queue_size = 128

            def handle_error(self, *_: object) -> None:
                pass

        server = Server(("127.0.0.1", self.port), Handler)
        server.connections = []
        self.port = server.server_address[1]
        self._server = server
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self) -> None:
        """As if the process had been killed: open connections break too."""
        if self._server is None:
            return
        self._server.shutdown()
        self._server.server_close()
        for connection in self._server.connections:
            try:
                connection.shutdown(2)
            except OSError:
                continue
        self._server = None

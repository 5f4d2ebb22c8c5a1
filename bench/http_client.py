"""What a call to a predictor costs by HTTP client: `python -m bench.http_client [--calls 1500] [--rounds 2]`.

One POST at a time over a kept connection on uvloop, to a bare server in a process of its own; CPU of the client alone.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable

from bench.processes import free_port
from runtime.settings import REPOSITORY_ROOT

BODY = json.dumps({"inputs": [{"name": "record", "datatype": "BYTES", "shape": [1], "data": ["x" * 100]}]}).encode()
HEADERS = {
    "Accept": "application/json",
    "Content-Type": "application/json",
    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
}
SERVER = """
import json, sys, uvicorn
BODY = json.dumps({"outputs": [{"name": "f", "datatype": "FP32", "shape": [60], "data": [1.5] * 60}]}).encode()
HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(BODY)).encode())]
async def app(scope, receive, send):
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": BODY})
uvicorn.run(app, port=int(sys.argv[1]), log_level="error", lifespan="off")
"""

Call = Callable[[], Awaitable[bytes]]


async def cost(call: Call, calls: int) -> float:
    """CPU milliseconds a call."""
    await call()
    begun = time.process_time()
    for _ in range(calls):
        await call()
    return 1e3 * (time.process_time() - begun) / calls


async def by_httpx(url: str, calls: int) -> float:
    """httpx, as the gateway used it before."""
    import httpx

    async with httpx.AsyncClient(trust_env=False) as client:

        async def call() -> bytes:
            request = client.build_request("POST", url, content=BODY, headers=HEADERS)
            response = await client.send(request, stream=True)
            body = b"".join([chunk async for chunk in response.aiter_bytes()])
            await response.aclose()
            return body

        return await cost(call, calls)


async def by_gateway(url: str, calls: int) -> float:
    """The gateway's own client, on aiohttp."""
    from brain.clients.http import HttpClient

    client = HttpClient(connect_seconds=2, connections=8)

    async def call() -> bytes:
        return (await client.send("POST", url, HEADERS, body=BODY, most_bytes=10_000)).body

    try:
        return await cost(call, calls)
    finally:
        await client.aclose()


async def compare(url: str, calls: int, rounds: int) -> None:
    """Take turns and print."""
    print("| client | CPU ms a call, each round |\n|---|---|")
    seen: dict[str, list[float]] = {"httpx": [], "the gateway's (aiohttp)": []}
    for _ in range(rounds):
        for name, by in zip(seen, (by_httpx, by_gateway), strict=True):
            seen[name].append(await by(url, calls))
    for name, costs in seen.items():
        print(f"| {name} | {', '.join(f'{one:.2f}' for one in costs)} |")


def main() -> None:
    """Start the server, compare, end it."""
    import httpx
    import uvloop

    parser = argparse.ArgumentParser(prog="python -m bench.http_client", description=__doc__)
    parser.add_argument("--calls", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    port = free_port()
    url = f"http://127.0.0.1:{port}/v2/models/m/infer"
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)], cwd=REPOSITORY_ROOT) as server:
        try:
            httpx.HTTPTransport(retries=8).handle_request(httpx.Request("POST", url, content=BODY)).close()
            uvloop.run(compare(url, options.calls, options.rounds))
        finally:
            server.terminate()


if __name__ == "__main__":
    main()

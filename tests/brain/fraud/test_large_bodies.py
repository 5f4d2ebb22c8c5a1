"""A body of 100 MB: refused by its length or while it comes, and never held."""

import json
import select
import socket
from pathlib import Path
from typing import Any

import pytest

ANALYZE, BATCH = "/api/v1/fraud/analyze", "/api/v1/fraud/analyze/batch"
MEGABYTE = 1024 * 1024
SENT = 100 * MEGABYTE
MOST_GROWTH = 48 * MEGABYTE
"""A batch may hold 16 MB, which stand in pieces of what has come so far."""


def peak_bytes(process_id: int) -> int:
    """The most memory that a process has held since it began."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel does not tell a process's peak memory")


def send(gateway: Any, path: str, header: str, piece: bytes) -> tuple[int, dict[str, Any]]:
    """Send pieces until 100 MB went out or an answer comes; returns its status and problem."""
    port = int(gateway.url.rpartition(":")[2])
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n{header}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(head.encode())
        for _ in range(SENT // MEGABYTE):
            if select.select([connection], [], [], 0)[0]:
                break
            try:
                connection.sendall(piece)
            except OSError:
                break
        received = b""
        while b"}" not in received and (more := connection.recv(65536)):
            received += more
    start, _, body = received.partition(b"\r\n\r\n")
    return int(start.split()[1]), json.loads(body)


@pytest.mark.parametrize("path", [ANALYZE, BATCH])
@pytest.mark.parametrize("streamed", [False, True], ids=["by its length", "streamed"])
def test_a_hundred_megabytes_are_refused_and_never_held(gateway: Any, client: Any, path: str, streamed: bool) -> None:
    data = b" " * MEGABYTE
    if streamed:
        header, piece = "Transfer-Encoding: chunked", b"%x\r\n%b\r\n" % (len(data), data)
    else:
        header, piece = f"Content-Length: {SENT}", data
    before = peak_bytes(gateway.process.pid)
    status, problem = send(gateway, path, header, piece)
    assert status == 413 and "send less at a time" in problem["detail"]
    assert peak_bytes(gateway.process.pid) - before < MOST_GROWTH
    assert client.get("/health").status_code == 200


def test_a_hundred_bodies_at_the_limit_leave_no_memory_behind(gateway: Any, client: Any) -> None:
    body = b'{"customer_id": "' + b"x" * (MEGABYTE - 100) + b'"}'
    headers = {"Content-Type": "application/json"}
    for _ in range(10):
        assert client.post(ANALYZE, content=body, headers=headers).status_code == 422
    before = peak_bytes(gateway.process.pid)
    for _ in range(90):
        assert client.post(ANALYZE, content=body, headers=headers).status_code == 422
    assert peak_bytes(gateway.process.pid) - before < 16 * MEGABYTE

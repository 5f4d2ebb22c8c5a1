"""The REST address: taken with a clear word when it cannot be, and left without cutting anybody off."""

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

from serving.settings import ServerSettings

if TYPE_CHECKING:
    import uvicorn

BACKLOG = 2048

FIRST_REQUEST_SECONDS = 2.0
"""Longest wait for a connection that has asked for nothing yet to bring its first request."""


class PortTakenError(OSError):
    """An address cannot be bound; names it and the setting."""


def listen(settings: ServerSettings) -> socket.socket:
    """Bind the REST address; raise PortTakenError."""
    try:
        family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        return socket.create_server((settings.host, settings.http_port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise PortTakenError(
            f"cannot listen on {settings.host} port {settings.http_port}: {error.strerror}; "
            "free it or set PREDICTOR_HTTP_PORT"
        ) from error


async def stop_listening(server: "uvicorn.Server", listener: socket.socket) -> None:
    """Close the address after accepting every connection that waits there.

    Closing alone would reset those that the kernel had completed and nobody had accepted yet: under load, callers
    that connect just then. They are handed to the server like any other.
    """
    loop = asyncio.get_running_loop()
    spare = listener.dup()
    spare.setblocking(False)
    for listening in server.servers:
        listening.close()
    await asyncio.sleep(0)  # the loop lets go of its own handle
    waiting: list[socket.socket] = []
    with contextlib.suppress(BlockingIOError):
        while True:
            waiting.append(spare.accept()[0])
    spare.close()
    for connection in waiting:
        await loop.connect_accepted_socket(lambda: _protocol(server), connection)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(FIRST_REQUEST_SECONDS):
            while any(getattr(one, "cycle", one) is None for one in server.server_state.connections):
                await asyncio.sleep(0.01)


def _protocol(server: "uvicorn.Server") -> asyncio.Protocol:
    return server.config.http_protocol_class(  # type: ignore[call-arg]
        config=server.config, server_state=server.server_state, app_state=server.lifespan.state
    )

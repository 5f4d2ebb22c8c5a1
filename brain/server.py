"""Runs the gateway: one socket, one event loop, an end that lets requests finish."""

import contextlib
import math
import os
import socket
import time
from collections.abc import Iterator
from types import FrameType

import uvicorn

from brain.app import create_app
from brain.http_protocol import BoundedHttpProtocol
from brain.security.keys import open_key_store
from brain.services import Services, build_services
from brain.settings import BrainSettings
from runtime.logs import get_logger
from runtime.process_lock import process_lock

BACKLOG = 2048

_log = get_logger("brain")


class PortTakenError(RuntimeError):
    """The address cannot be bound."""


class GatewayServer(uvicorn.Server):
    """Uvicorn that says that it will stop before it does."""

    def __init__(self, config: uvicorn.Config, services: Services) -> None:
        super().__init__(config)
        self._services = services
        self._stop_at = math.inf

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second signal does not wait for the notice to pass."""
        if self._services.draining:
            super().handle_exit(sig, frame)
            return
        self._services.draining = True
        self._stop_at = time.monotonic() + self._services.settings.drain_notice_seconds

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: stop taking requests once the notice has passed; those in hand go on."""
        self.should_exit = self.should_exit or time.monotonic() >= self._stop_at
        return await super().on_tick(counter)


def serve(settings: BrainSettings) -> None:
    """Run until SIGTERM or SIGINT.

    Raises:
        LockHeldError: Another gateway works on the same SQLite file.
        PortTakenError: Another process listens on the port.
        SettingsError: A secret is missing.
        KeyStoreError: The key store cannot be opened.
    """
    with _alone(settings), contextlib.closing(listen(settings.host, settings.port)) as listener:
        services = build_services(settings, open_key_store(settings.resolved_database_url))
        config = uvicorn.Config(
            create_app(services),
            access_log=False,
            log_config=None,
            lifespan="on",
            ws="none",
            http=BoundedHttpProtocol,
            server_header=False,
            proxy_headers=bool(settings.trusted_proxies),
            forwarded_allow_ips=settings.trusted_proxies or None,
            timeout_graceful_shutdown=settings.drain_seconds,
        )
        host, port = listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        _log.info(
            "gateway listens", url=f"http://{shown}:{port}", pid=os.getpid(), authentication=settings.auth_required
        )
        GatewayServer(config, services).run(sockets=[listener])


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen.

    Raises:
        PortTakenError: The address is taken or not this machine's; the message says which and what to do.
    """
    name = host.strip("[]")
    family = socket.AF_INET6 if ":" in name else socket.AF_INET
    try:
        return socket.create_server((name, port), family=family, backlog=BACKLOG)
    except OSError as error:
        detail = os.strerror(error.errno) if error.errno else str(error)
        raise PortTakenError(
            f"cannot listen on {host}:{port}: {detail}; stop what listens there, or set BRAIN_HOST and BRAIN_PORT"
        ) from error


@contextlib.contextmanager
def _alone(settings: BrainSettings) -> Iterator[None]:
    """On SQLite: be the only gateway of this file. On PostgreSQL any number may run."""
    path = settings.sqlite_path
    if path is None:
        yield
        return
    with process_lock(path.with_name(path.name + ".lock"), f"gateway on {settings.host}:{settings.port}"):
        yield

"""`/health`, `/ready` and `/metrics`, answered from the worker's own loop."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from brain.worker.vitals import Vitals
from runtime.metrics import exposition


class PortTakenError(RuntimeError):
    """The address of the probes cannot be bound."""


@asynccontextmanager
async def probes(vitals: Vitals, host: str, port: int) -> AsyncIterator[str]:
    """Answer probes while the block runs; gives their address.

    Args:
        vitals: What is told.
        host: Address to bind.
        port: 0 takes a free one.

    Raises:
        PortTakenError: The address is taken or not this machine's.
    """
    runner = web.AppRunner(_application(vitals), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host.strip("[]"), port, shutdown_timeout=1)
        try:
            await site.start()
        except OSError as error:
            why = os.strerror(error.errno) if error.errno else str(error)
            raise PortTakenError(
                f"cannot listen on {host}:{port}: {why}; stop what listens there, or set BRAIN_WORKER_PORT"
            ) from error
        yield f"http://{host}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def _application(vitals: Vitals) -> web.Application:
    async def health(_request: web.Request) -> web.Response:
        status, told = vitals.health()
        return web.json_response(told, status=status)

    async def ready(_request: web.Request) -> web.Response:
        status, told = vitals.ready()
        return web.json_response(told, status=status)

    async def metrics(_request: web.Request) -> web.Response:
        body, kind = exposition(vitals.registry)
        return web.Response(body=body, headers={"Content-Type": kind})

    application = web.Application()
    application.add_routes([web.get("/health", health), web.get("/ready", ready), web.get("/metrics", metrics)])
    return application

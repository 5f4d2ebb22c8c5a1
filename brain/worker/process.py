"""The worker as a process: probes first, then the store, then work until a signal."""

import asyncio
import contextlib
import os
import secrets
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator

from prometheus_client import CollectorRegistry

from brain.capabilities.registry import Registry, build_registry
from brain.runs.doorbell import Doorbell
from brain.runs.factory import open_run_store
from brain.runs.port import RunStore
from brain.runs.presence import Beat
from brain.runs.settings import RunStoreSettings
from brain.settings import BrainSettings
from brain.version import gateway_version
from brain.worker.kinds import handlers
from brain.worker.parts import WorkerParts, open_parts
from brain.worker.probes import probes
from brain.worker.settings import WorkerSettings
from brain.worker.shelf import Shelf, is_away
from brain.worker.vitals import Vitals
from brain.worker.worker import Worker
from runtime.logs import get_logger
from runtime.process_lock import process_lock
from runtime.settings import sqlite_path

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0

_log = get_logger("brain.worker")


def holder_name() -> str:
    """A name that no other process ever has: machine, process and chance."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(6)}"


async def work(
    settings: WorkerSettings,
    url: str,
    *,
    open_store: Callable[[str], RunStore] = open_run_store,
    registry_of: Callable[[WorkerParts], Registry] = build_registry,
) -> None:
    """Carry runs out until SIGTERM or SIGINT.

    Args:
        settings: The worker's.
        url: The run store's address.
        open_store: Opens it.
        registry_of: Whom tasks ask, from the worker's parts.

    Raises:
        LockHeldError: Another worker works on the same SQLite file.
        PortTakenError: The probes' address is taken.
        RulesUnusableError: A rule set that the settings name cannot be used.
    """
    stop = asyncio.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(one, stop.set)
    vitals = Vitals(settings.stuck_after_seconds, CollectorRegistry())
    with _alone(url):
        async with probes(vitals, settings.host, settings.port) as address:
            name = holder_name()
            _log.info("worker listens", url=address, pid=os.getpid(), name=name)
            async with _opened(url, open_store, settings, stop, vitals) as shelf:
                if shelf is not None:
                    async with open_parts(BrainSettings(), vitals.registry) as parts:
                        kinds = handlers(settings, shelf.store, registry_of(parts), vitals.called)
                        beat = Beat(name, address, gateway_version(), tuple(kinds), 0, settings.places)
                        with contextlib.closing(Doorbell(url)) as doorbell:
                            await Worker(name, shelf, doorbell, kinds, settings, vitals, beat).run(stop)
    _log.info("worker has ended")


@contextlib.asynccontextmanager
async def _opened(
    url: str, open_store: Callable[[str], RunStore], settings: WorkerSettings, stop: asyncio.Event, vitals: Vitals
) -> AsyncIterator[Shelf | None]:
    """The store; waits for a database that is down, None if the worker is told to stop meanwhile."""
    pause, store = FIRST_PAUSE_SECONDS, None
    while store is None and not stop.is_set():
        try:
            store = await asyncio.to_thread(open_store, url)
        except Exception as error:
            if not is_away(error):
                raise
            vitals.failed(f"the run store did not answer: {type(error).__name__}")
            _log.warning("no run store", reason=str(error)[:300], next_try_in_seconds=pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
    if store is None:
        yield None
        return
    shelf = Shelf(store, settings.database_threads)
    try:
        yield shelf
    finally:
        shelf.close()
        store.close()


@contextlib.contextmanager
def _alone(url: str) -> Iterator[None]:
    """On SQLite: be the only worker of this file. On PostgreSQL any number may run."""
    path = sqlite_path(url)
    if path is None:
        yield
        return
    with process_lock(path.with_name(path.name + ".worker.lock"), "brain-worker"):
        yield


def run() -> None:
    """Work by the settings of the environment.

    Raises:
        NoRunStoreError: No database is set outside a local environment.
    """
    asyncio.run(work(WorkerSettings(), RunStoreSettings().resolved_url))

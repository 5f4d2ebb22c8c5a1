"""Follows the champion: fetch, verify, warm, smoke-test, swap; whatever fails leaves the old version in service."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar

from runtime.bundle import BundleError
from runtime.logs import get_logger
from runtime.registry.port import CHAMPION, ModelRegistry, ModelVersion, ModelVersionNotFoundError
from serving.local_copy import Copy, LocalCopies
from serving.served import Served, health_within
from serving.session import ModelRejectedError
from serving.settings import ServerSettings
from serving.target import ModelTarget
from serving.tensors import Predictor

T = TypeVar("T")

HEALTH_SECONDS = 5.0
"""Longest wait for a predictor to say how it is."""

logger = get_logger(__name__)


class Watcher:
    """Keeps `served` on the version it should be on.

    Args:
        settings: How often it looks, and how long it pauses.
        target: Which model, which version, and what opens it.
        registry: Makes the registry's client; called off the event loop.
        served: What is kept up to date.
        executor: Where blocking work runs; one thread is enough.
    """

    def __init__(
        self,
        settings: ServerSettings,
        target: ModelTarget,
        registry: Callable[[], ModelRegistry],
        served: Served,
        executor: Executor,
    ) -> None:
        self._settings, self._target = settings, target
        self._make_registry = registry
        self._registry: ModelRegistry | None = None
        self._family, self._metrics = target.family, target.metrics
        self._served, self._executor = served, executor
        self._copies = LocalCopies(target.copy_dir)
        self._served_key: tuple[str, str] | None = None
        self._refused: tuple[str, str] | None = None
        self._pause_seconds = 0.0
        self._retry_at = 0.0
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Serve the local copy if there is one, then follow the registry until cancelled."""
        await self.start_from_copy()
        while True:
            await self.look()
            self._wake.clear()
            try:
                async with asyncio.timeout(self._settings.poll_seconds):
                    await self._wake.wait()
            except TimeoutError:
                continue

    def look_soon(self) -> None:
        """Look at the registry now instead of at the next turn."""
        self._wake.set()

    async def start_from_copy(self) -> None:
        """Serve the version served last by this machine, unless another is pinned."""
        copy = await self._off_loop(self._copies.last_served)
        if copy is None or self._target.version not in ("", copy.version):
            return
        try:
            predictor = await self._off_loop(self._family.load, copy.bundle, copy.version)
        except ModelRejectedError as error:
            self._served.waiting_for = f"the local copy of version {copy.version} cannot be served: {self._told(error)}"
            logger.warning("the local copy cannot be served", version=copy.version, exc_info=error)
            return
        await self._take_up(predictor, copy)
        logger.info("serving the local copy", model=self._target.name, version=copy.version)

    async def look(self) -> None:
        """Look at the registry once and take up what it points at."""
        pinned = self._target.version
        if pinned and self._served.predictor is not None and self._served.predictor.version == pinned:
            return
        try:
            target = await self._off_loop(self._find)
        except ModelVersionNotFoundError as error:
            self._served.registry_error = ""
            self._served.waiting_for = str(error) or f"the registry has no version {pinned}"
            return
        except Exception as error:  # noqa: BLE001 - the registry being down, in whatever way, never stops serving
            self._registry_down(error)
            return
        self._served.registry_error = ""
        if target is None:
            name, command = self._target.registered_name, self._target.trained_by
            self._served.waiting_for = f"the registry has no {CHAMPION} of {name}; train one: {command}"
            return
        key = (target.version, target.tags.get("bundle_digest", ""))
        if key == self._served_key:
            self._served.reload_error = ""
            self._refused = None
            return
        if key == self._refused and asyncio.get_running_loop().time() < self._retry_at:
            return
        await self._take_up_target(target, key)

    async def _take_up_target(self, target: ModelVersion, key: tuple[str, str]) -> None:
        try:
            copy = await self._off_loop(self._fetch, target)
            predictor = await self._off_loop(self._family.load, copy.bundle, copy.version)
        except (ModelRejectedError, BundleError) as error:
            self._refuse(key, self._told(error))
            logger.error("a version is refused", model=self._target.name, version=target.version, exc_info=error)
            return
        except Exception as error:  # noqa: BLE001 - a download fails in as many ways as there are stores
            self._refuse(key, "it could not be fetched")
            told = {"model": self._target.name, "version": target.version}
            logger.error("a version could not be fetched", exc_info=error, **told)
            return
        await self._take_up(predictor, copy)
        self._served_key = key
        logger.info("serving", model=self._target.name, version=target.version, bundle_digest=copy.bundle.digest)

    async def _take_up(self, predictor: Predictor, copy: Copy) -> None:
        self._served.swap(predictor, await health_within(predictor, HEALTH_SECONDS))
        self._served_key = (copy.version, copy.bundle.digest)
        self._refused, self._pause_seconds = None, 0.0
        self._metrics.serving(predictor)
        self._metrics.reload("served")
        try:
            await self._off_loop(self._copies.remember, copy)
        except OSError as error:
            logger.warning("the local copy could not be noted", version=copy.version, exc_info=error)

    def _refuse(self, key: tuple[str, str], why: str) -> None:
        """Keep what is served and try the same version again after a pause that doubles."""
        if key != self._refused:
            self._pause_seconds = 0.0
        self._refused = key
        limit = self._settings.reload_retry_limit_seconds
        self._pause_seconds = min(limit, max(self._settings.poll_seconds, 2 * self._pause_seconds))
        self._retry_at = asyncio.get_running_loop().time() + self._pause_seconds
        self._served.reload_error = f"version {key[0]} is not served: {why}"
        if self._served.predictor is None:
            self._served.waiting_for = self._served.reload_error
        self._metrics.reload("refused")

    def _told(self, error: Exception) -> str:
        """An error in words for `/ready`, without the paths of this machine."""
        return str(error).replace(f"{self._copies.root}/", "")

    def _registry_down(self, error: Exception) -> None:
        if not self._served.registry_error:
            logger.warning("the registry cannot be read; serving goes on", exc_info=error)
        self._served.registry_error = "the registry cannot be read"
        self._served.waiting_for = "the registry cannot be read, and there is no local copy"
        self._metrics.registry_failed()

    def _find(self) -> ModelVersion | None:
        registry = self._client()
        name, pinned = self._target.registered_name, self._target.version
        return registry.version(name, pinned) if pinned else registry.by_alias(name, CHAMPION)

    def _fetch(self, target: ModelVersion) -> Copy:
        digest = target.tags.get("bundle_digest", "")
        copy = self._copies.find(target.version, digest)
        if copy is not None:
            return copy
        folder = self._copies.incoming(target.version)
        try:
            copy = self._copies.adopt(target.version, self._client().download(target, folder))
        finally:
            self._copies.discard(folder)
        if digest and copy.bundle.digest != digest:
            raise BundleError(f"the bundle fetched has digest {copy.bundle.digest}; the registry says {digest}")
        return copy

    def _client(self) -> ModelRegistry:
        if self._registry is None:
            self._registry = self._make_registry()
        return self._registry

    async def _off_loop(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work, *arguments)

"""Rate limits per caller, counted in memory or, for replicas, together in Redis."""

import math
import time

from limits import RateLimitItem, parse
from limits.aio.storage import MemoryStorage, Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import StorageError
from limits.storage import storage_from_string

from runtime.logs import get_logger
from runtime.problems import Problem

FALL_BACK_SECONDS = 5.0
"""After Redis failed, how long this process counts alone before it asks again."""

REDIS_TIMEOUT_SECONDS = 0.25

_log = get_logger(__name__)


class RateLimiter:
    """Counts named limits; while Redis is away each process counts for itself, so that a limit always holds.

    Args:
        limits: Name → limit in words, such as `600/minute`.
        redis_url: `redis://…`, or empty to count in memory.
    """

    def __init__(self, limits: dict[str, str], redis_url: str = "") -> None:
        self._items: dict[str, RateLimitItem] = {name: parse(text) for name, text in limits.items()}
        self._own = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._shared = SlidingWindowCounterRateLimiter(_redis(redis_url)) if redis_url else None
        self._alone_until = 0.0

    @property
    def shared(self) -> bool:
        """Whether counts are shared with other replicas at this moment."""
        return self._shared is not None and time.monotonic() >= self._alone_until

    async def hit(self, limit: str, caller: str) -> None:
        """Count one request of a caller; raise a 429 problem with Retry-After past the limit."""
        item = self._items[limit]
        if self._shared is not None and self.shared:
            try:
                await _hit(self._shared, item, limit, caller)
                return
            except StorageError as error:
                _log.warning("rate limits are counted by this process alone", error=type(error.storage_error).__name__)
                self._alone_until = time.monotonic() + FALL_BACK_SECONDS
        await _hit(self._own, item, limit, caller)


async def _hit(limiter: SlidingWindowCounterRateLimiter, item: RateLimitItem, limit: str, caller: str) -> None:
    if await limiter.hit(item, limit, caller):
        return
    stats = await limiter.get_window_stats(item, limit, caller)
    seconds = min(max(1, math.ceil(stats.reset_time - time.time())), item.get_expiry())
    detail = f"this caller may make {item.amount} requests in {item.get_expiry()} s ({limit}); try again in {seconds} s"
    raise Problem(429, detail=detail, headers={"Retry-After": str(seconds)}, extensions={"limit": limit})


def _redis(url: str) -> Storage:
    options = {"socket_timeout": REDIS_TIMEOUT_SECONDS, "socket_connect_timeout": REDIS_TIMEOUT_SECONDS}
    storage = storage_from_string(f"async+{url}", wrap_exceptions=True, implementation="redispy", **options)
    if not isinstance(storage, Storage):
        raise TypeError(f"expected an asynchronous storage, got {type(storage).__name__}")
    return storage

"""Wakes whoever waits for something new in the log, in this process at once and otherwise by looking each second."""

import asyncio


class Bell:
    """Rings for everybody who waits at that moment."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def ring(self) -> None:
        """Wake all."""
        rung, self._next = self._next, asyncio.Event()
        rung.set()

    async def wait(self, seconds: float) -> None:
        """Wait for the next ring, at most this long."""
        try:
            async with asyncio.timeout(seconds):
                await self._next.wait()
        except TimeoutError:
            return

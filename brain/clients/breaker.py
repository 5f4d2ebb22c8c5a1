"""A circuit breaker: after several failures in a row a process is left alone for a moment."""

import time


class Breaker:
    """Closed until `failures` calls in a row fail; then open for `open_seconds`, then one call at a time may try.

    For one event loop: nothing here waits, so nothing needs a lock.
    """

    def __init__(self, failures: int, open_seconds: float) -> None:
        self._allowed = failures
        self._open_seconds = open_seconds
        self._failed = 0
        self._opened_at = 0.0

    @property
    def is_open(self) -> bool:
        """Whether calls are being refused or a single one is trying."""
        return self._failed >= self._allowed

    def admit(self) -> float:
        """Ask to make a call: 0 lets it pass, anything else is how many seconds to stay away."""
        if not self.is_open:
            return 0.0
        waiting = self._opened_at + self._open_seconds - time.monotonic()
        if waiting > 0:
            return waiting
        self._opened_at = time.monotonic()  # the others stay away while this one tries
        return 0.0

    def succeeded(self) -> None:
        """Record that a call was answered."""
        self._failed = 0

    def failed(self) -> None:
        """Record that a call was not answered."""
        self._failed += 1
        if self.is_open:
            self._opened_at = time.monotonic()

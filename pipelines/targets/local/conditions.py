"""Conditions that the local runner could not evaluate: it warns, takes them for false and ends well."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_SIGNS = ("Could not resolve", "Condition evaluation failed")


@contextmanager
def unresolved_conditions() -> Iterator[list[str]]:
    """Collect the runner's warnings about conditions while the block runs."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            if message.startswith(_SIGNS):
                said.append(message)

    listener = Listener(level=logging.WARNING)
    root = logging.getLogger()
    root.addHandler(listener)
    try:
        yield said
    finally:
        root.removeHandler(listener)

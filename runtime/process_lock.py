"""A lock that one process on this machine holds, and that says who holds it.

The lock is `flock(2)`: the kernel drops it when its holder dies, also by kill -9; the file's text is only for people.
"""

import fcntl
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path


class LockHeldError(RuntimeError):
    """Another process holds the lock; `holder` is what it wrote about itself."""

    def __init__(self, path: Path, holder: dict[str, object]) -> None:
        self.path = path
        self.holder = holder
        who = f"process {holder.get('pid', 'unknown')} ({holder.get('what', 'unknown')})"
        super().__init__(
            f"{who} has held {path} since {holder.get('since', 'an unknown time')}; wait for it or stop it"
        )


@contextmanager
def process_lock(path: Path, what: str) -> Iterator[None]:
    """Hold the lock while the block runs; do not wait for it.

    Args:
        path: The lock file; made if it is not there, never removed (removing it would let two processes hold it).
        what: What the holder does, for the message that a second process gets.

    Raises:
        LockHeldError: Another process holds the lock.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LockHeldError(path, _holder(path)) from error
        since = datetime.now(UTC).isoformat(timespec="seconds")
        text = json.dumps({"pid": os.getpid(), "what": what, "since": since, "command": " ".join(sys.argv)[:500]})
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _holder(path: Path) -> dict[str, object]:
    try:
        content = json.loads(path.read_text() or "{}")
    except (OSError, json.JSONDecodeError):
        return {}
    return content if isinstance(content, dict) else {}

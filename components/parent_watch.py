"""A process that must not outlive the one that started it, also when that one is killed with -9.

A step that went on alone after its run was killed would work beside the run that heals it.
"""

import os
import select
import threading

PARENT_VARIABLE = "AIO_PARENT_PID"
"""Process id whose end ends this process; absent where somebody else looks after it, as in a cluster."""

ORPHANED_EXIT_CODE = 70


def die_with_parent() -> None:
    """End this process as soon as the process named by `AIO_PARENT_PID` ends; do nothing where it is not set."""
    text = os.environ.get(PARENT_VARIABLE, "")
    if not text.isdecimal() or not hasattr(os, "pidfd_open"):
        return
    try:
        descriptor = os.pidfd_open(int(text))
    except ProcessLookupError:
        os._exit(ORPHANED_EXIT_CODE)
    threading.Thread(target=_wait, args=(descriptor,), name="parent-watch", daemon=True).start()


def _wait(descriptor: int) -> None:
    # Only the kernel's word counts here: a killed parent that nobody has reaped still has its process id.
    waiter = select.poll()
    waiter.register(descriptor, select.POLLIN)
    waiter.poll()
    os._exit(ORPHANED_EXIT_CODE)

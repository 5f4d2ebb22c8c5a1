"""What every step does around its call: watch its parent, log in one shape, say how far it is and why it failed."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from components.parent_watch import die_with_parent
from runtime.logs import configure_logging

PROGRESS_MARK = "progress: "
"""Begins a line of a step's output that tells a person how far it is."""

FAILURE_MARK = "failed: "
"""Begins the line of a step's output that says why it failed."""


def report_progress(message: str) -> None:
    """Say how far the step is, on one line of its output."""
    _say(PROGRESS_MARK, message)


@contextmanager
def step_process(step: str) -> Iterator[None]:
    """Run the block as a step's work; an error is said on one line before the traceback goes its way."""
    die_with_parent()
    configure_logging(step, stream=sys.stdout)
    try:
        yield
    except Exception as error:
        _say(FAILURE_MARK, f"{type(error).__name__}: {error}")
        raise


def _say(mark: str, message: str) -> None:
    sys.stdout.write(f"{mark}{' '.join(message.split())}\n")
    sys.stdout.flush()

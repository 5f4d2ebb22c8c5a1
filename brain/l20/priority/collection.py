"""Large work without the garbage collector's help."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_changing = threading.Lock()
_inside = 0


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the collector from stopping all threads to look at millions of objects that are all in use.

    Reference counts still free what is done with; only cycles wait until the last block has ended.
    """
    global _inside
    with _changing:
        _inside += 1
        gc.disable()
    try:
        yield
    finally:
        with _changing:
            _inside -= 1
            if not _inside:
                gc.enable()

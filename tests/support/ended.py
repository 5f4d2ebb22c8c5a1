"""Tasks that have ended, as much of them as references and conditions look at."""

from dataclasses import dataclass
from typing import Any


@dataclass
class Ended:
    """How a task ended, and with what."""

    state: str
    result: object = None
    error: Any = None

"""Which workers there are, as they say themselves.

A worker calls `store.beat(Beat(...))` when it starts and every `BEAT_SECONDS`, whether it has work or not, and
`store.leave(id)` when it has drained. One that is killed is taken for gone after `SEEN_SECONDS`. Nothing depends on it
but what people are shown: who may commit is decided by leases alone.
"""

from dataclasses import dataclass
from datetime import datetime

BEAT_SECONDS = 5.0
SEEN_SECONDS = 20.0
"""A worker that has not been seen for longer is taken for gone."""


@dataclass(frozen=True)
class Beat:
    """What a worker says of itself.

    Attributes:
        id: The name under which it holds runs.
        address: Of its probes.
        version: Of its code.
        kinds: Kinds of runs that it takes.
        held: Runs that it holds now.
        places: Runs that it can hold.
    """

    id: str
    address: str = ""
    version: str = ""
    kinds: tuple[str, ...] = ()
    held: int = 0
    places: int = 1


@dataclass(frozen=True)
class SeenWorker:
    """A worker as it was last seen."""

    beat: Beat
    started_at: datetime
    seen_at: datetime
    age_seconds: float
    """Since it was last seen, by the database's clock."""

    @property
    def lives(self) -> bool:
        """Whether it was seen lately."""
        return self.age_seconds <= SEEN_SECONDS

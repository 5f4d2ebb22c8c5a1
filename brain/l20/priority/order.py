"""What comes after what: tasks by their places in the request, each after all that it depends on."""

from collections.abc import Sequence
from heapq import heapify, heappop, heappush

After = Sequence[Sequence[int]]
"""For each place the places that come before it."""


class CycleError(ValueError):
    """Tasks that wait for one another; in `cycle` each depends on the next, the last on the first."""

    def __init__(self, cycle: Sequence[int]) -> None:
        super().__init__(f"the places {list(cycle)} wait for one another")
        self.cycle = tuple(cycle)


def topological(after: After) -> Sequence[int]:
    """Places, each after all that it depends on and otherwise as they were given: whatever is free goes in that order.

    Raises:
        CycleError: Some wait for one another.
    """
    if all(other < place for place, before in enumerate(after) for other in before):
        return range(len(after))
    waiting: list[list[int]] = [[] for _ in after]
    for place, before in enumerate(after):
        for other in before:
            waiting[other].append(place)
    open_ = [len(before) for before in after]
    ready = [place for place, count in enumerate(open_) if not count]
    heapify(ready)
    order = []
    while ready:
        place = heappop(ready)
        order.append(place)
        for other in waiting[place]:
            open_[other] -= 1
            if not open_[other]:
                heappush(ready, other)
    if len(order) < len(after):
        raise CycleError(_cycle(after, open_))
    return order


def _cycle(after: After, open_: Sequence[int]) -> Sequence[int]:
    """Walk back from any place that never became free, until one comes again."""
    place = next(place for place, count in enumerate(open_) if count)
    seen: dict[int, int] = {}
    path: list[int] = []
    while place not in seen:
        seen[place] = len(path)
        path.append(place)
        place = next(other for other in after[place] if open_[other])
    return path[seen[place] :]

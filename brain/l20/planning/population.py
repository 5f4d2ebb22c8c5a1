"""The schedules among which the heuristic crosses: the best of those it has seen, each once."""

from dataclasses import dataclass
from random import Random

Score = tuple[int, int, int]


@dataclass(frozen=True)
class Member:
    """A schedule of the population; the smallest score is best."""

    score: Score
    order: list[int]
    modes: list[int]
    starts: list[int]


class Population:
    """The best of the schedules that were added, each once.

    Args:
        size: Most members.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.members: list[Member] = []
        self._scores: list[Score] = []
        self._known: set[tuple[int, ...]] = set()

    def add(self, member: Member) -> None:
        """Take it in, in place of the worst where there is no room; one that is known or worse than all is not."""
        known = tuple(member.starts + member.modes)
        if known in self._known:
            return
        if len(self.members) < self.size:
            self.members.append(member)
            self._scores.append(member.score)
        else:
            worst = self._scores.index(max(self._scores))
            if member.score > self._scores[worst]:
                return
            old = self.members[worst]
            self._known.discard(tuple(old.starts + old.modes))
            self.members[worst], self._scores[worst] = member, member.score
        self._known.add(known)

    def parent(self, random: Random) -> Member:
        """The better of two."""
        return min(random.choice(self.members), random.choice(self.members), key=lambda member: member.score)

"""Which playbooks an objective asks for: the port, and the matcher that needs nothing but words."""

import math
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from brain.l20.strategy.library import Library
from brain.l20.strategy.order import ChosenBy, Warned
from brain.l20.strategy.playbook import Playbook

MOST_PLAYBOOKS = 4
LEAST_SCORE = 1.2
"""Of the first playbook; 1 is about a word that no other playbook knows, and one of its title counts for more."""
LEAST_FURTHER_SCORE = 1.5
"""Of each further one, by words that those before it do not account for."""

_LEAST_RARITY = 1e-6
"""What SQLite takes for the rarity (inverse document frequency) of a word that most documents have."""

_UNSAYING = frozenset(
    re.findall(
        r"\w+",
        """a about all an and any are as at be by can do for from get give go have how i in into is it its let like make
        me my need new no of on or our out over please so some that the their then this to up us want we what which who
        will with within would you your""",
    )
)
"""Words that every kind of objective has."""

_WORD = re.compile(r"[^\W_]+")
_TITLE_WEIGHT, _WORDS_WEIGHT = 2.0, 1.0


@dataclass(frozen=True)
class Match:
    """A playbook that is asked for; `score` grows with resemblance, in units of `chosen_by`; None where it has none."""

    playbook: Playbook
    score: float | None
    matched: tuple[str, ...]
    chosen_by: ChosenBy


@dataclass(frozen=True)
class Matched:
    """What was chosen, best first; nothing where nothing came near enough, and then `nearest` says what came next."""

    matches: tuple[Match, ...]
    nearest: tuple[str, ...] = ()
    warnings: tuple[Warned, ...] = ()


class Matcher(Protocol):
    """Chooses playbooks for an objective and never guesses."""

    async def match(self, objective: str) -> Matched:
        """The playbooks that the objective asks for."""
        ...


class FullTextMissingError(RuntimeError):
    """This Python's SQLite has no FTS5."""

    def __init__(self) -> None:
        super().__init__(
            f"SQLite {sqlite3.sqlite_version} was built without FTS5, which matches objectives; "
            "name the playbooks in the request, or run a Python whose SQLite has it"
        )


class Bm25Matcher:
    """Okapi BM25 over titles and words of the playbooks, with Porter's stems, by SQLite's FTS5.

    The best playbook takes its words out of the objective; the next is chosen for what is left, if that is enough. So
    "launch a product with a marketing campaign" asks for two.

    Scores are in units of the rarity of a word that one playbook alone has: they mean the same in every library.

    Args:
        library: What there is to choose from.

    Raises:
        FullTextMissingError: SQLite cannot do it.
    """

    def __init__(self, library: Library) -> None:
        self._library = library
        self._index = _index(library.values())
        self._rarest = max(_LEAST_RARITY, math.log((len(library) - 0.5) / 1.5))

    async def match(self, objective: str) -> Matched:
        """See `Matcher.match`; under a millisecond a word."""
        return self.choose(objective)

    def choose(self, objective: str) -> Matched:
        """The same for who does not wait."""
        scores = self._scores(objective)
        nearest = tuple(sorted((name for name in scores if scores[name]), key=lambda name: -_total(scores[name])))
        chosen: list[Match] = []
        taken: set[str] = set()
        while len(chosen) < MOST_PLAYBOOKS:
            left = {name: {w: s for w, s in words.items() if w not in taken} for name, words in scores.items()}
            name = max(left, key=lambda each: _total(left[each]))
            if _total(left[name]) < (LEAST_FURTHER_SCORE if chosen else LEAST_SCORE):
                break
            chosen.append(Match(self._library[name], round(_total(scores[name]), 3), tuple(scores[name]), "bm25"))
            taken |= set(scores[name])
        return Matched(tuple(chosen), nearest)

    def _scores(self, objective: str) -> dict[str, dict[str, float]]:
        """By playbook: what each word of the objective adds; BM25 is a sum over words, so a question a word will do."""
        found: dict[str, dict[str, float]] = {name: {} for name in self._library}
        query = "SELECT name, bm25(playbooks, 0, ?, ?) FROM playbooks WHERE playbooks MATCH ?"
        for word in dict.fromkeys(_WORD.findall(objective.lower())):
            if word in _UNSAYING:
                continue
            for name, score in self._index.execute(query, (_TITLE_WEIGHT, _WORDS_WEIGHT, f'"{word}"')):
                found[name][word] = -score / self._rarest
        return found


def named(names: Sequence[str], library: Library) -> Matched:
    """The playbooks that a request names.

    Raises:
        KeyError: There is no such playbook.
    """
    return Matched(tuple(Match(library[name], None, (), "request") for name in dict.fromkeys(names)))


def _total(words: Mapping[str, float]) -> float:
    return sum(words.values())


def _index(playbooks: Iterable[Playbook]) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    try:
        connection.execute(
            "CREATE VIRTUAL TABLE playbooks USING fts5(name UNINDEXED, title, words, tokenize='porter unicode61')"
        )
    except sqlite3.OperationalError as error:
        connection.close()
        raise FullTextMissingError from error
    rows = [(each.name, each.title, " ".join(each.words)) for each in playbooks]
    connection.executemany("INSERT INTO playbooks VALUES (?, ?, ?)", rows)
    return connection

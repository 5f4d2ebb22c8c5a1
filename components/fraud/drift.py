"""How far what comes in has moved from what a model was trained on: the population stability index, in plain Python."""

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

FLOOR = 1e-4
"""Shares are not counted below this, or one empty bin would make the index infinite."""


class ReferenceError(ValueError):
    """A version's reference histograms cannot be read."""


@dataclass(frozen=True)
class Histogram:
    """Shares of a reference in bins.

    Attributes:
        edges: E inner edges, ascending; a value's bin is the number of edges that are at most the value.
        shares: E + 1 shares; what is missing from 1 is the share of missing values.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]

    @classmethod
    def read(cls, name: str, document: object) -> "Histogram":
        """Read `{"edges", "shares"}`.

        Raises:
            ReferenceError: It is none, or the edges do not ascend.
        """
        if not isinstance(document, Mapping):
            raise ReferenceError(f"the reference of {name!r} is no object with edges and shares")
        edges, shares = (_numbers(name, document.get(part)) for part in ("edges", "shares"))
        if len(shares) != len(edges) + 1 or list(edges) != sorted(edges) or min(shares) < 0:
            raise ReferenceError(
                f"the reference of {name!r} needs ascending edges and one share more than edges, got "
                f"{len(edges)} and {len(shares)}"
            )
        return cls(edges, shares)

    def index(self, values: Sequence[float | None]) -> float:
        """Population stability index of some values: the sum over bins of (seen - expected) ln(seen / expected).

        Missing values (None) are a bin of their own. Below 0.1 is commonly read as stable, above 0.25 as moved.

        Raises:
            ValueError: There are no values.
        """
        if not values:
            raise ValueError("expected at least one value")
        counts = [0] * (len(self.shares) + 1)
        for value in values:
            counts[-1 if value is None else bisect_right(self.edges, value)] += 1
        expected = (*self.shares, max(0.0, 1.0 - sum(self.shares)))
        return sum(_term(count / len(values), share) for count, share in zip(counts, expected, strict=True))


@dataclass(frozen=True)
class Reference:
    """What a version's `scores.json` says: its probabilities and every input."""

    probability: Histogram
    inputs: Mapping[str, Histogram]

    @classmethod
    def read(cls, document: object) -> "Reference":
        """Read `scores.json`.

        Raises:
            ReferenceError: It lacks a part.
        """
        if not isinstance(document, Mapping) or not isinstance(document.get("inputs"), Mapping):
            raise ReferenceError("expected 'probability' and 'inputs'")
        inputs = {str(name): Histogram.read(str(name), one) for name, one in document["inputs"].items()}
        return cls(Histogram.read("probability", document.get("probability")), inputs)


def _term(seen: float, expected: float) -> float:
    seen, expected = max(seen, FLOOR), max(expected, FLOOR)
    return (seen - expected) * math.log(seen / expected)


def _numbers(name: str, values: object) -> tuple[float, ...]:
    if not isinstance(values, list) or not all(type(one) in (int, float) and math.isfinite(one) for one in values):
        raise ReferenceError(f"the reference of {name!r} holds something that is no list of finite numbers")
    return tuple(float(one) for one in values)

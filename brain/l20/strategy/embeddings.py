"""Playbooks chosen by the cosine between sentence embeddings, behind an OpenAI-compatible endpoint."""

import math
from collections.abc import Mapping, Sequence

from brain.l20.strategy.library import Library
from brain.l20.strategy.matching import MOST_PLAYBOOKS, Match, Matched, Matcher
from brain.l20.strategy.openai import EndpointError, OpenAiEndpoint
from brain.l20.strategy.order import Warned
from runtime.logs import get_logger

NEAR_BEST = 0.9
"""A further playbook is chosen where its cosine is at least this share of the best one's."""

_log = get_logger(__name__)


class EmbeddingsMatcher:
    """Compares the objective with title and summary of each playbook; where the endpoint fails, `fallback` decides.

    Args:
        endpoint: Of a model for sentences.
        library: What there is to choose from.
        fallback: Asked where the endpoint does not answer.
        least: Lowest cosine of a playbook that is chosen.
    """

    def __init__(self, endpoint: OpenAiEndpoint, library: Library, fallback: Matcher, least: float) -> None:
        self._endpoint = endpoint
        self._library = library
        self._fallback = fallback
        self._least = least

    async def match(self, objective: str) -> Matched:
        """See `Matcher.match`."""
        texts = [f"{playbook.title}. {playbook.summary}" for playbook in self._library.values()]
        try:
            asked, *known = _vectors(await self._endpoint.post("embeddings", {"input": [objective, *texts]}))
            if len(known) != len(texts):
                raise EndpointError(f"it gave {len(known) + 1} embeddings for {len(texts) + 1} texts")
            cosines = {name: _cosine(asked, vector) for name, vector in zip(self._library, known, strict=True)}
        except (EndpointError, ValueError) as error:
            _log.warning("embeddings were not used", reason=str(error)[:500])
            found = await self._fallback.match(objective)
            detail = f"sentence embeddings were not used ({str(error)[:200]}); the words of the objective decided"
            warned = Warned(code="embeddings_not_used", detail=detail)
            return Matched(found.matches, found.nearest, (*found.warnings, warned))
        by_cosine = sorted(cosines, key=lambda name: -cosines[name])
        least = max(self._least, NEAR_BEST * cosines[by_cosine[0]])
        chosen = [name for name in by_cosine if cosines[name] >= least][:MOST_PLAYBOOKS]
        matches = (Match(self._library[name], round(cosines[name], 3), (), "embeddings") for name in chosen)
        return Matched(tuple(matches), tuple(by_cosine))


def _vectors(answer: Mapping[str, object]) -> list[Sequence[float]]:
    rows = answer.get("data")
    if not isinstance(rows, list) or not rows:
        raise EndpointError("its answer has no data")
    found: dict[int, Sequence[float]] = {}
    for row in rows:
        match row:
            case {"index": int(place), "embedding": [*numbers]} if _are_numbers(numbers):
                found[place] = [float(each) for each in numbers]
            case _:
                raise EndpointError("its answer has a row without an index and an embedding of numbers")
    return [found[place] for place in sorted(found)]


def _are_numbers(values: Sequence[object]) -> bool:
    return all(isinstance(each, int | float) for each in values)


def _cosine(one: Sequence[float], two: Sequence[float]) -> float:
    """Raises `ValueError` where they are of different lengths or one has none."""
    lengths = math.hypot(*one) * math.hypot(*two)
    if not lengths or len(one) != len(two):
        raise ValueError("its embeddings cannot be compared")
    return sum(first * second for first, second in zip(one, two, strict=True)) / lengths

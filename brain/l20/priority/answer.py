"""Ranked work as an answer, written a thousand tasks at a time so that other threads have their turn."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import cast

from pydantic import BaseModel, Field
from pydantic_core import to_json

from brain.l20.priority import factors
from brain.l20.priority.ranking import Ranking
from brain.l20.priority.score import RULE, Scored
from brain.l20.priority.weights import FACTORS, Weights
from brain.l20.priority.work import Origin

CHUNK = 1000
DIGITS = 6


class RankedTask(BaseModel):
    """A task with its place and the reasons for it."""

    rank: int = Field(ge=1)
    id: str
    type: str
    score: float = Field(ge=0, le=1, description="what the order goes by")
    own_score: float = Field(ge=0, le=1, description="the sum of the contributions")
    inherited_from: str | None = Field(description="the task that waits for this one and whose score it has")
    contributions: dict[str, float] = Field(description="what each factor adds to the own score")
    slack_seconds: float | None = Field(
        description="until the latest start that keeps its deadline and those of what waits for it; null: there is none"
    )
    unblocks_seconds: float = Field(description="work on the longest chain that waits for it")
    duration_seconds: float | None
    duration_from: Origin
    cost_minor: float | None
    fits: bool | None = Field(description="whether it fits the capacity; null where it or its needs are unknown")


class PrioritizeResponse(BaseModel):
    """Work in the order in which it is best done."""

    tasks: list[RankedTask]
    count: int = Field(description="tasks that were ranked; `top` may answer fewer")
    weights: Weights
    halves: dict[str, float] = Field(description="factors of the form x / (x + h), or h / (x + h): their h")
    rule: str
    scored_at: datetime


def write(ranking: Ranking, weights: Weights, now: float) -> bytes:
    """The answer as JSON."""
    head = {
        "count": len(ranking.work),
        "weights": weights.model_dump(),
        "halves": ranking.scored.halves,
        "rule": RULE,
        "scored_at": datetime.fromtimestamp(now, UTC).isoformat(),
    }
    places = list(islice(ranking.scored.order, ranking.asked.options.top))
    parts = [
        to_json(_rows(ranking, places[begin : begin + CHUNK], begin + 1))[1:-1]
        for begin in range(0, len(places), CHUNK)
    ]
    return b'{"tasks":[' + b",".join(parts) + b"]," + to_json(head)[1:]


def _rows(ranking: Ranking, places: Sequence[int], first_rank: int) -> Sequence[Mapping[str, object]]:
    scored = ranking.scored
    capacity = cast("Mapping[str, float] | None", ranking.asked.options.capacity)
    columns = ([round(share * scored.columns[name][at], DIGITS) for at in places] for name, share in _shares(scored))
    return [
        _row(ranking, capacity, place, rank, dict(zip(FACTORS, found, strict=True)))
        for rank, (place, found) in enumerate(zip(places, zip(*columns, strict=True), strict=True), first_rank)
    ]


def _shares(scored: Scored) -> Iterator[tuple[str, float]]:
    return ((name, scored.shares[name]) for name in FACTORS)


def _row(
    ranking: Ranking,
    capacity: Mapping[str, float] | None,
    place: int,
    rank: int,
    contributions: Mapping[str, float],
) -> Mapping[str, object]:
    tasks, work, scored = ranking.asked.tasks, ranking.work, ranking.scored
    task, heir, slack = tasks[place], scored.heirs[place], scored.slacks[place]
    return {
        "rank": rank,
        "id": task["id"],
        "type": task["type"],
        "score": round(scored.scores[place], DIGITS),
        "own_score": round(scored.own[place], DIGITS),
        "inherited_from": None if heir == place else tasks[heir]["id"],
        "contributions": contributions,
        "slack_seconds": None if slack is None else round(slack, 3),
        "unblocks_seconds": scored.tails[place],
        "duration_seconds": work.seconds[place],
        "duration_from": "given" if "duration_seconds" in task else ranking.known[task["type"]].seconds_from,
        "cost_minor": work.costs[place],
        "fits": None if capacity is None else factors.fits(work.resources[place], capacity),
    }

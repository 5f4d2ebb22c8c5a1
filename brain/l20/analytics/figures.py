"""Figures of the work that was done, from the run store."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from brain.l20.analytics.durations import LearnedDuration, LearnedDurations
from brain.l20.analytics.survival import Observation, Survival
from brain.runs import PRIORITIES, TERMINAL, Duration, RunStore, RunTimes
from brain.runs.presence import SeenWorker

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass(frozen=True)
class Quantiles:
    """Seconds by quantile (None: too many were cut short to say), and how many durations they rest on."""

    seconds: Mapping[str, float | None]
    observed: int
    censored: int


@dataclass(frozen=True)
class Ends:
    """How runs or calls ended; `rate` leaves out those that were cancelled."""

    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def rate(self) -> float | None:
        """Succeeded of those that succeeded or failed; None where there were none."""
        decided = self.succeeded + self.failed
        return self.succeeded / decided if decided else None


@dataclass(frozen=True)
class Waiting:
    """Queued runs of a priority."""

    depth: int = 0
    oldest_seconds: float | None = None


@dataclass(frozen=True)
class Comparison:
    """What calls of a type were expected to take, and what they took."""

    estimated_seconds: float
    median_seconds: float | None
    learned: LearnedDuration | None
    observed: int
    censored: int

    @property
    def ratio(self) -> float | None:
        """Median over estimate; None where either is not known."""
        if self.median_seconds is None or self.estimated_seconds <= 0:
            return None
        return self.median_seconds / self.estimated_seconds


@dataclass(frozen=True)
class Workers:
    """Workers that live, and how much of their places was in use; `busy` is that of the window, None without places."""

    living: int = 0
    places: int = 0
    held: int = 0
    busy: float | None = None


@dataclass(frozen=True)
class Figures:
    """Everything of a window; mappings go by kind of run or by type of task."""

    since: datetime
    until: datetime
    truncated: bool
    runs: Mapping[str, Ends]
    calls: Mapping[str, Ends]
    queue: Mapping[str, Waiting]
    waits: Mapping[str, Quantiles]
    run_seconds: Mapping[str, Quantiles]
    call_seconds: Mapping[str, Quantiles]
    estimates: Mapping[str, Comparison]
    workers: Workers
    spent_minor: int = 0
    active: Mapping[str, int] = field(default_factory=dict)

    @property
    def window_seconds(self) -> float:
        """Length of the window."""
        return (self.until - self.since).total_seconds()


def look(store: RunStore, window_seconds: float, most_rows: int, least: int, now: datetime | None = None) -> Figures:
    """Figures of a window that ends now.

    Args:
        store: Asked four times; blocks.
        window_seconds: How far back.
        most_rows: Of runs and of calls, the newest.
        least: Durations that must have ended by themselves before anything is learned from them.
        now: The end of the window; None: now, by this machine's clock.
    """
    until = now or datetime.now(UTC)
    since = until - timedelta(seconds=window_seconds)
    runs, calls = store.times(since, most_rows), store.durations(since, most_rows)
    return Figures(
        since=since,
        until=until,
        truncated=len(runs) == most_rows or len(calls) == most_rows,
        runs=_ends((one.kind, one.state) for one in runs),
        calls=_ends((one.type, one.state) for one in calls),
        queue=_queue(runs),
        waits=_quantiles((one.kind, _wait(one)) for one in runs),
        run_seconds=_quantiles((one.kind, _ran(one)) for one in runs),
        call_seconds=_quantiles((one.type, Observation(one.seconds, one.state == "succeeded")) for one in calls),
        estimates=_estimates(calls, least),
        workers=_workers(store.seen_workers(), runs, window_seconds),
        spent_minor=sum(one.spent_minor for one in runs),
        active=Counter(one.state for one in runs if one.state not in TERMINAL),
    )


def _ends(pairs: Iterable[tuple[str, str]]) -> Mapping[str, Ends]:
    counted = Counter(pairs)
    names = sorted({name for name, state in counted if state in TERMINAL})
    return {name: Ends(*(counted[name, state] for state in ("succeeded", "failed", "cancelled"))) for name in names}


def _queue(runs: Sequence[RunTimes]) -> Mapping[str, Waiting]:
    ages: dict[str, list[float]] = {name: [] for name in PRIORITIES}
    for one in runs:
        if one.state == "queued":
            ages[one.priority].append(one.waited_seconds)
    return {name: Waiting(len(found), max(found, default=None)) for name, found in ages.items()}


def _wait(one: RunTimes) -> Observation:
    """A wait ends when the run begins; of one that has not begun it is only known that it was longer."""
    return Observation(one.waited_seconds, ended=one.ran_seconds is not None)


def _ran(one: RunTimes) -> Observation | None:
    return None if one.ran_seconds is None else Observation(one.ran_seconds, ended=one.state == "succeeded")


def _quantiles(pairs: Iterable[tuple[str, Observation | None]]) -> Mapping[str, Quantiles]:
    found: dict[str, list[Observation]] = {}
    for name, one in pairs:
        if one is not None:
            found.setdefault(name, []).append(one)
    return {name: quantiles(Survival(found[name])) for name in sorted(found)}


def quantiles(survival: Survival) -> Quantiles:
    """The quantiles that are shown."""
    seconds = {name: survival.quantile(probability) for name, probability in QUANTILES.items()}
    return Quantiles(seconds, survival.observed, survival.censored)


def _estimates(calls: Sequence[Duration], least: int) -> Mapping[str, Comparison]:
    learned = LearnedDurations(calls, least)
    expected: dict[str, list[float]] = {}
    for one in calls:
        if one.estimate_seconds > 0:
            expected.setdefault(one.type, []).append(one.estimate_seconds)
    return {
        name: _compare(sum(values) / len(values), learned.observations[name], learned.learned(name))
        for name, values in sorted(expected.items())
    }


def _compare(estimated: float, seen: Sequence[Observation], learned: LearnedDuration | None) -> Comparison:
    survival = Survival(seen)
    return Comparison(estimated, survival.quantile(0.5), learned, survival.observed, survival.censored)


def _workers(seen: Sequence[SeenWorker], runs: Sequence[RunTimes], window_seconds: float) -> Workers:
    living = [one.beat for one in seen if one.lives]
    places = sum(one.places for one in living)
    # Of a run that began before the window only what lies within it.
    worked = sum(min(one.ran_seconds or 0.0, window_seconds - one.ended_seconds_ago) for one in runs)
    busy = min(1.0, max(0.0, worked) / (places * window_seconds)) if places else None
    return Workers(len(living), places, sum(one.held for one in living), busy)

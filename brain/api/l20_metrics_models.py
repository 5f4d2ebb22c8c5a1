"""Bodies of the brain's figures."""

from datetime import datetime

from pydantic import BaseModel, Field

from brain.l20.analytics.figures import Comparison, Ends, Figures, Quantiles
from brain.l20.analytics.recommendations import Recommendation


class EndCounts(BaseModel):
    """How work ended."""

    succeeded: int
    failed: int
    cancelled: int
    success_rate: float | None = Field(description="of those that succeeded or failed; null where there were none")
    per_hour: float = Field(description="all that ended")


class QueueState(BaseModel):
    """Runs that wait."""

    depth: int
    oldest_seconds: float | None


class LatencyQuantiles(BaseModel):
    """Seconds; null where too many were cut short to say. By Kaplan and Meier: what failed is not taken for short."""

    p50: float | None
    p90: float | None
    p99: float | None
    observed: int
    censored: int


class Latencies(BaseModel):
    """Of runs by kind, of calls by type."""

    queue_wait_seconds: dict[str, LatencyQuantiles]
    run_seconds: dict[str, LatencyQuantiles]
    task_seconds: dict[str, LatencyQuantiles]


class LearnedSeconds(BaseModel):
    """A log-normal fitted to durations, those that were cut short taken as at least as long."""

    p50: float
    p80: float
    p95: float


class PlanAgainstActual(BaseModel):
    """What calls of a type were expected to take, and what they took."""

    estimated_seconds: float
    median_seconds: float | None
    ratio: float | None = Field(description="median over estimate")
    learned_seconds: LearnedSeconds | None = Field(description="null while too few have ended by themselves")
    observed: int
    censored: int


class Utilisation(BaseModel):
    """Workers that live, their places, and what the runs of the window have cost."""

    workers: int
    places: int
    held: int
    busy_share: float | None = Field(description="of the places' time in the window; null without a place")
    spent_minor: int


class Advice(BaseModel):
    """What to do, and the numbers that say so."""

    rule: str
    text: str
    numbers: dict[str, object]


class L20Metrics(BaseModel):
    """Figures of a window."""

    since: datetime
    until: datetime
    window_seconds: float
    truncated: bool = Field(description="whether older work of the window was left out because there was too much")
    active: dict[str, int] = Field(description="runs that have not ended, by state")
    runs: dict[str, EndCounts] = Field(description="by kind")
    tasks: dict[str, EndCounts] = Field(description="calls by type")
    queue: dict[str, QueueState] = Field(description="by priority")
    latency: Latencies
    plan_against_actual: dict[str, PlanAgainstActual] = Field(description="by type")
    utilisation: Utilisation
    recommendations: list[Advice]


def document(figures: Figures, advice: list[Recommendation]) -> L20Metrics:
    """The figures as they are answered."""
    hours = figures.window_seconds / 3600
    workers = figures.workers
    return L20Metrics(
        since=figures.since,
        until=figures.until,
        window_seconds=figures.window_seconds,
        truncated=figures.truncated,
        active=dict(figures.active),
        runs={name: _ends(one, hours) for name, one in figures.runs.items()},
        tasks={name: _ends(one, hours) for name, one in figures.calls.items()},
        queue={n: QueueState(depth=one.depth, oldest_seconds=one.oldest_seconds) for n, one in figures.queue.items()},
        latency=Latencies(
            queue_wait_seconds={name: _quantiles(one) for name, one in figures.waits.items()},
            run_seconds={name: _quantiles(one) for name, one in figures.run_seconds.items()},
            task_seconds={name: _quantiles(one) for name, one in figures.call_seconds.items()},
        ),
        plan_against_actual={name: _compared(one) for name, one in figures.estimates.items()},
        utilisation=Utilisation(
            workers=workers.living,
            places=workers.places,
            held=workers.held,
            busy_share=workers.busy,
            spent_minor=figures.spent_minor,
        ),
        recommendations=[Advice(rule=one.rule, text=one.text, numbers=dict(one.numbers)) for one in advice],
    )


def _ends(one: Ends, hours: float) -> EndCounts:
    ended = one.succeeded + one.failed + one.cancelled
    return EndCounts(
        succeeded=one.succeeded,
        failed=one.failed,
        cancelled=one.cancelled,
        success_rate=one.rate,
        per_hour=ended / hours,
    )


def _quantiles(one: Quantiles) -> LatencyQuantiles:
    return LatencyQuantiles(**one.seconds, observed=one.observed, censored=one.censored)


def _compared(one: Comparison) -> PlanAgainstActual:
    learned = one.learned
    return PlanAgainstActual(
        estimated_seconds=one.estimated_seconds,
        median_seconds=one.median_seconds,
        ratio=one.ratio,
        learned_seconds=None
        if learned is None
        else LearnedSeconds(p50=learned.quantile(0.5), p80=learned.quantile(0.8), p95=learned.quantile(0.95)),
        observed=one.observed,
        censored=one.censored,
    )

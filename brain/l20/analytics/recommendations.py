"""What the figures recommend: one function a rule, one setting a threshold, and the numbers that it follows from."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from brain.l20.analytics.figures import Figures
from brain.l20.analytics.settings import AnalyticsSettings


@dataclass(frozen=True)
class Recommendation:
    """What to do, and the numbers that say so."""

    rule: str
    text: str
    numbers: Mapping[str, object]


Rule = Callable[[Figures, AnalyticsSettings], Iterator[Recommendation]]


def recommend(figures: Figures, settings: AnalyticsSettings) -> Sequence[Recommendation]:
    """What every rule says."""
    return [found for rule in RULES for found in rule(figures, settings)]


def no_worker(figures: Figures, _settings: AnalyticsSettings) -> Iterator[Recommendation]:
    """Runs wait and nobody carries them out."""
    queued = _queued(figures)
    if queued and not figures.workers.living:
        text = f"{queued} runs are queued and no worker lives: start one with `python -m brain.worker`"
        yield Recommendation("no_worker", text, {"queued": queued, "workers": 0})


def old_queue(figures: Figures, settings: AnalyticsSettings) -> Iterator[Recommendation]:
    """Somebody has waited for long."""
    oldest = max((one.oldest_seconds or 0.0 for one in figures.queue.values()), default=0.0)
    if oldest <= settings.oldest_wait_seconds or not figures.workers.living:
        return
    queued, workers = _queued(figures), figures.workers
    text = (
        f"the oldest of {queued} queued runs has waited {oldest:.0f} s (more than {settings.oldest_wait_seconds:g} s) "
        f"while {workers.held} of {workers.places} places are in use: add a worker, or places to the workers there are"
    )
    numbers = {"queued": queued, "oldest_seconds": oldest, "held": workers.held, "places": workers.places}
    yield Recommendation("old_queue", text, numbers)


def long_waits(figures: Figures, settings: AnalyticsSettings) -> Iterator[Recommendation]:
    """One in ten runs of a kind waits for long."""
    for kind, waits in figures.waits.items():
        p90 = waits.seconds["p90"]
        if p90 is None or waits.observed < settings.least_observed or p90 <= settings.wait_p90_seconds:
            continue
        text = (
            f"one in ten of {waits.observed} runs of kind {kind!r} waited {p90:.1f} s or longer "
            f"(more than {settings.wait_p90_seconds:g} s) before it began: add a worker for this kind"
        )
        yield Recommendation("long_waits", text, {"kind": kind, "p90_seconds": p90, "observed": waits.observed})


def failures(figures: Figures, settings: AnalyticsSettings) -> Iterator[Recommendation]:
    """Calls of a type fail often."""
    for name, ends in figures.calls.items():
        decided = ends.succeeded + ends.failed
        if decided < settings.least_observed or ends.failed / decided <= settings.failure_share:
            continue
        text = (
            f"{ends.failed} of {decided} calls of {name!r} failed ({ends.failed / decided:.0%}, more than "
            f"{settings.failure_share:.0%}): look at the errors of their tasks and at /status"
        )
        yield Recommendation("failures", text, {"type": name, "failed": ends.failed, "decided": decided})


def wrong_estimates(figures: Figures, settings: AnalyticsSettings) -> Iterator[Recommendation]:
    """Plans and reservations of a type rest on a number that is far from what happens."""
    for name, one in figures.estimates.items():
        ratio, factor = one.ratio, settings.estimate_factor
        if ratio is None or one.observed < settings.least_observed or 1 / factor <= ratio <= factor:
            continue
        text = (
            f"{name!r} is estimated at {one.estimated_seconds:.3g} s and half of {one.observed} calls took "
            f"{one.median_seconds:.3g} s or longer ({ratio:.2g} times as long): set its estimate to that"
        )
        numbers = {
            "type": name,
            "estimated_seconds": one.estimated_seconds,
            "median_seconds": one.median_seconds,
            "ratio": ratio,
            "observed": one.observed,
        }
        yield Recommendation("wrong_estimates", text, numbers)


def busy_workers(figures: Figures, settings: AnalyticsSettings) -> Iterator[Recommendation]:
    """The workers' places were in use most of the time."""
    workers = figures.workers
    if workers.busy is not None and workers.busy > settings.busy_share:
        text = (
            f"{workers.busy:.0%} of the time of {workers.places} places was in use (more than "
            f"{settings.busy_share:.0%}): add a worker before runs begin to wait"
        )
        yield Recommendation("busy_workers", text, {"busy": workers.busy, "places": workers.places})


def idle_workers(figures: Figures, settings: AnalyticsSettings) -> Iterator[Recommendation]:
    """More than one worker, and little to do."""
    workers = figures.workers
    if workers.living > 1 and workers.busy is not None and workers.busy < settings.idle_share and not _queued(figures):
        text = (
            f"{workers.living} workers used {workers.busy:.1%} of the time of their {workers.places} places (less than "
            f"{settings.idle_share:.0%}) and nothing waits: one worker less would do"
        )
        yield Recommendation("idle_workers", text, {"busy": workers.busy, "workers": workers.living})


def slow_tail(figures: Figures, settings: AnalyticsSettings) -> Iterator[Recommendation]:
    """A few calls of a type take far longer than the others."""
    for name, one in figures.call_seconds.items():
        median, p99 = one.seconds["p50"], one.seconds["p99"]
        if not median or p99 is None or one.observed < settings.least_observed or p99 <= settings.tail_factor * median:
            continue
        text = (
            f"one in a hundred of {one.observed} calls of {name!r} takes {p99:.3g} s or longer, {p99 / median:.0f} "
            f"times the median of {median:.3g} s (more than {settings.tail_factor:g} times): give its tasks deadlines"
        )
        yield Recommendation("slow_tail", text, {"type": name, "p50_seconds": median, "p99_seconds": p99})


RULES: Sequence[Rule] = (
    no_worker,
    old_queue,
    long_waits,
    failures,
    wrong_estimates,
    busy_workers,
    idle_workers,
    slow_tail,
)


def _queued(figures: Figures) -> int:
    return sum(one.depth for one in figures.queue.values())

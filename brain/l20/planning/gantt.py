"""A schedule as a picture: tasks as bars, the critical path marked, and the use of each resource below. Plain SVG."""

from collections.abc import Iterator
from html import escape as escape_markup

from brain.l20.planning.problem import Problem, Schedule
from brain.l20.planning.profile import Usage, critical_path, resource_profile

LEFT, RIGHT, ROW, BAR, PROFILE, GAP = 160.0, 20.0, 18.0, 12.0, 60.0, 26.0
"""Pixels: margins, height of a row, of a bar and of a profile, and the space above a profile."""
MOST_LABEL_CHARACTERS = 24
TICKS = 10

_STYLE = (
    "text{font:11px sans-serif;fill:#222}.tick{stroke:#ddd}.bar{fill:#8fb3d9}.critical{fill:#c8502d}"
    ".used{fill:#9bbf85}.capacity{stroke:#a33;stroke-dasharray:4 3}.axis{text-anchor:middle}.label{text-anchor:end}"
)


def gantt(problem: Problem, schedule: Schedule, width: int = 960) -> str:
    """An SVG document of `width` pixels; a row a task in order of its start, and a profile a resource.

    Bars carry their task, mode and times as titles; those of the critical path have the class `critical` and milestones
    are diamonds.

    Raises:
        KeyError: The schedule has tasks or modes that the problem has not.
    """
    scale = (width - LEFT - RIGHT) / max(1, schedule.makespan)
    base = GAP + ROW * len(schedule.slots)
    height = base + len(problem.resources) * (PROFILE + GAP) + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height:g}" viewBox="0 0 {width} {height:g}"'
        f' role="img" aria-label="Schedule of {len(schedule.slots)} tasks, {schedule.makespan} time units">',
        f"<style>{_STYLE}</style>",
        *_ticks(schedule.makespan, scale, height),
        *_bars(problem, schedule, scale),
    ]
    for place, resource in enumerate(problem.resources):
        floor = base + (place + 1) * (PROFILE + GAP)
        steps = resource_profile(problem, schedule, resource.name)
        parts += _profile(resource.name, resource.capacity, steps, schedule.makespan, scale, floor)
    return "\n".join([*parts, "</svg>\n"])


def _ticks(makespan: int, scale: float, height: float) -> Iterator[str]:
    step = _step(makespan)
    for moment in range(0, makespan + 1, step):
        x = LEFT + moment * scale
        yield f'<line class="tick" x1="{x:.1f}" x2="{x:.1f}" y1="{GAP - 6:g}" y2="{height - GAP:g}"/>'
        yield f'<text class="axis" x="{x:.1f}" y="{GAP - 10:g}">{moment}</text>'


def _step(makespan: int) -> int:
    """The smallest of 1, 2, 5, 10, 20, ... that gives no more than `TICKS` steps."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if makespan <= factor * power * TICKS:
                return factor * power
        power *= 10


def _bars(problem: Problem, schedule: Schedule, scale: float) -> Iterator[str]:
    critical = set(critical_path(problem, schedule))
    rank = {name: place for place, name in enumerate(problem.order)}
    slots = sorted(schedule.slots.values(), key=lambda slot: (slot.start, slot.end, rank[slot.task]))
    for row, slot in enumerate(slots):
        x, y = LEFT + slot.start * scale, GAP + row * ROW
        kind = "bar critical" if slot.task in critical else "bar"
        title = f"<title>{_escaped(slot.task)} ({_escaped(slot.mode)}): {slot.start} to {slot.end}</title>"
        yield f'<text class="label" x="{LEFT - 8:g}" y="{y + BAR:g}">{_escaped(_shortened(slot.task))}</text>'
        if slot.end > slot.start:
            size = f'width="{(slot.end - slot.start) * scale:.1f}" height="{BAR:g}"'
            yield f'<rect class="{kind}" x="{x:.1f}" y="{y + 2:g}" {size} rx="2">{title}</rect>'
        else:
            half, middle = BAR / 2, y + 2 + BAR / 2
            corners = ((x, middle - half), (x + half, middle), (x, middle + half), (x - half, middle))
            points = " ".join(f"{across:.1f},{down:.1f}" for across, down in corners)
            yield f'<polygon class="{kind}" points="{points}">{title}</polygon>'


def _profile(
    name: str, capacity: int, steps: tuple[Usage, ...], makespan: int, scale: float, floor: float
) -> Iterator[str]:
    unit = PROFILE / max(1, capacity)
    top = floor - capacity * unit
    yield f'<text class="label" x="{LEFT - 8:g}" y="{floor - 2:g}">{_escaped(_shortened(name))}</text>'
    yield f'<text class="label" x="{LEFT - 8:g}" y="{top + 9:g}">{capacity}</text>'
    for step in steps:
        x, wide, tall = LEFT + step.start * scale, (step.end - step.start) * scale, step.used * unit
        title = f"<title>{step.used} of {capacity}, {step.start} to {step.end}</title>"
        if step.used:
            box = f'x="{x:.1f}" y="{floor - tall:.1f}" width="{wide:.1f}" height="{tall:.1f}"'
            yield f'<rect class="used" {box}>{title}</rect>'
    yield f'<line class="capacity" x1="{LEFT:g}" x2="{LEFT + makespan * scale:.1f}" y1="{top:g}" y2="{top:g}"/>'


def _escaped(text: str) -> str:
    """For XML, which has no control characters even when they are escaped."""
    return escape_markup("".join(each if each.isprintable() else " " for each in text))


def _shortened(text: str) -> str:
    return text if len(text) <= MOST_LABEL_CHARACTERS else f"{text[: MOST_LABEL_CHARACTERS - 1]}…"

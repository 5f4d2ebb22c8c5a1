"""From a request that is well-formed to an order that can be planned; for the gateway."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from brain.l20.strategy.calendar import Calendar
from brain.l20.strategy.library import Library, PlaybookError
from brain.l20.strategy.matching import Match, Matched, Matcher, named
from brain.l20.strategy.order import Chosen, Order, Warned
from brain.l20.strategy.outline import Outline, compose, with_uses
from brain.l20.strategy.playbook import Playbook
from brain.l20.strategy.request import Money, StrategizeRequest
from brain.l20.strategy.timeline import read_timeline
from runtime.problems import FieldError, Problem, nearest

EARLIEST_START, LATEST_START = timedelta(days=-1), timedelta(days=5 * 365)


@dataclass(frozen=True)
class Commission:
    """Takes orders.

    Attributes:
        library: Playbooks by name.
        matcher: Chooses among them where the caller does not.
        executable: Types of capabilities that are served.
    """

    library: Library
    matcher: Matcher
    executable: tuple[str, ...]

    async def order(self, body: StrategizeRequest, now: datetime) -> Order:
        """The order that a request stands for.

        Raises:
            Problem: 422: no playbook comes near, a name is not known, a start or an amount that cannot be taken.
        """
        starts_at, calendar, hours = _times(body, now)
        matched = await self._matched(body)
        playbooks = with_uses([match.playbook for match in matched.matches], self.library)
        outline = _composed(playbooks)
        return Order(
            objective=body.objective,
            playbooks=_chosen(playbooks, matched.matches),
            outline=outline,
            starts_at=starts_at,
            hours_per_day=calendar.hours_per_day,
            days_per_week=calendar.days_per_week,
            timeline=body.constraints.timeline,
            timeline_hours=hours,
            budget_minor=_minor(body.constraints.budget, outline.currency),
            capacities=self._capacities(body.constraints.resources, outline),
            objective_function=body.objective_function,
            quantile=body.quantile,
            solver_seconds=body.solver_seconds,
            seed=body.seed,
            execute=body.execute,
            executable=self.executable,
            warnings=(*matched.warnings, *_unused(body.constraints.resources, outline)),
        )

    async def _matched(self, body: StrategizeRequest) -> Matched:
        names = [*body.named, *self._of_domains(body.domains)]
        for name in names:
            if name not in self.library:
                raise _unknown("playbook", name, self.library, "/playbook" if body.playbook else "/playbooks")
        if names:
            return named(names, self.library)
        matched = await self.matcher.match(body.objective)
        if not matched.matches:
            raise self._no_match(body.objective, matched)
        return matched

    def _of_domains(self, domains: Sequence[str]) -> list[str]:
        found = []
        for domain in domains:
            names = [name for name, playbook in self.library.items() if playbook.domain == domain]
            if not names:
                raise _unknown("domain", domain, {playbook.domain for playbook in self.library.values()}, "/domains")
            found += names
        return found

    def _no_match(self, objective: str, matched: Matched) -> Problem:
        shown = objective if len(objective) <= 80 else objective[:77] + "..."
        near = matched.nearest[:3]
        nearest_ones = f"nearest: {', '.join(near)}" if near else "it has no word of any of them"
        detail = (
            f"no playbook comes near enough to {shown!r}; {nearest_ones}. Say more of what is to be done, or name "
            f"playbooks in 'playbooks'. Known: {', '.join(self.library)}"
        )
        known = {name: playbook.summary for name, playbook in self.library.items()}
        return Problem(
            422,
            detail=detail,
            errors=[FieldError("/objective", detail)],
            extensions={"nearest": list(near), "playbooks": known},
        )

    def _capacities(self, given: Mapping[str, int], outline: Outline) -> dict[str, int]:
        """What was given, where the plan can use it; a name that no playbook knows is a slip of the pen."""
        known = {name for playbook in self.library.values() for name in playbook.means} | set(outline.means)
        for name in given:
            if name not in known:
                raise _unknown("resource", name, known, f"/constraints/resources/{name}")
        return {name: units for name, units in given.items() if name in outline.means}


def _chosen(playbooks: Sequence[Playbook], matches: Sequence[Match]) -> tuple[Chosen, ...]:
    why = {match.playbook.name: match for match in matches}
    found = []
    for each in playbooks:
        match = why.get(each.name, Match(each, None, (), "playbook"))
        chosen = Chosen(
            name=each.name, title=each.title, score=match.score, matched=match.matched, chosen_by=match.chosen_by
        )
        found.append(chosen)
    return tuple(found)


def _composed(playbooks: tuple[Playbook, ...]) -> Outline:
    try:
        return compose(playbooks)
    except PlaybookError as error:
        names = [playbook.name for playbook in playbooks]
        raise Problem(422, detail=f"the playbooks {names} do not go together: {error}; name fewer of them") from error


def _times(body: StrategizeRequest, now: datetime) -> tuple[datetime, Calendar, int | None]:
    """First hour of work, the calendar, and hours of work until the end that was asked for."""
    begins = body.starts_at or now
    if not now + EARLIEST_START <= begins <= now + LATEST_START:
        detail = f"expected a start from yesterday to five years from now, received {begins.isoformat()}"
        raise _invalid("/starts_at", detail)
    calendar = Calendar(body.calendar.hours_per_day, body.calendar.days_per_week)
    starts_at = calendar.next_hour(begins)
    if body.constraints.timeline is None:
        return starts_at, calendar, None
    return starts_at, calendar, calendar.hours_between(starts_at, begins + read_timeline(body.constraints.timeline))


def _minor(budget: float | Money | None, currency: str) -> int | None:
    if budget is None or isinstance(budget, float):
        return None if budget is None else round(budget * 100)
    if budget.currency != currency:
        detail = f"the playbooks are priced in {currency}, received {budget.currency}; convert the budget"
        raise _invalid("/constraints/budget/currency", detail)
    return budget.amount_minor


def _unused(given: Mapping[str, int], outline: Outline) -> list[Warned]:
    needed = {name for task in outline.tasks for mode in task.modes for name in mode.needs}
    idle = [name for name in given if name not in needed]
    return [Warned(code="resource_not_needed", detail=f"no task of the plan needs {name!r}") for name in idle]


def _unknown(what: str, name: str, known: Mapping[str, object] | set[str], pointer: str) -> Problem:
    close = nearest(name, known)
    hint = f"; did you mean {close!r}?" if close else "."
    return _invalid(pointer, f"there is no {what} {name!r}{hint} Known: {', '.join(sorted(known))}")


def _invalid(pointer: str, detail: str) -> Problem:
    return Problem(422, detail=f"{pointer}: {detail}", errors=[FieldError(pointer, detail)])

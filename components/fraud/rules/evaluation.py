"""Which rules fire. Plain comparisons, prepared once; nothing of a rule set is ever executed as code."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from components.fraud.rules.document import TIME_OF_DAY, Action, Alternatives, Condition, Rule, RuleSetDocument, minutes


@dataclass(frozen=True)
class Fired:
    """A rule whose conditions all held."""

    id: str
    action: Action
    text: str


@dataclass(frozen=True)
class _Case:
    fields: Mapping[str, object]
    features: Mapping[str, float]
    probability: float


_Test = Callable[[_Case], bool]


class RuleSet:
    """A rule set that was read; `components.fraud.rules.load_rules` makes one.

    Attributes:
        document: What it says.
        version: `name@digest`, where the digest is that of its text.
        text: The text it was read from.
    """

    def __init__(self, document: RuleSetDocument, version: str, text: str) -> None:
        self.document = document
        self.version = version
        self.text = text
        self._rules = [(rule, _prepare(rule, document.lists)) for rule in document.rules]

    def evaluate(
        self, fields: Mapping[str, object], features: Mapping[str, float], probability: float
    ) -> Sequence[Fired]:
        """The rules that fire, in the order of the set.

        Args:
            fields: The request's fields; for cards `amount_minor, currency, customer_id, terminal_id` and `occurred_at`
                (a datetime with a time zone, or RFC 3339).
            features: The model's features by name. A condition on one that is absent or NaN does not hold.
            probability: The model's calibrated probability.
        """
        case = _Case(fields, features, probability)
        return [Fired(rule.id, rule.action, rule.text) for rule, holds in self._rules if holds(case)]

    def missing(self, features: Sequence[str]) -> Sequence[str]:
        """Features that conditions use and a model with these does not have."""
        used = {one.feature for rule in self.document.rules for one in rule.conditions() if one.feature}
        return sorted(used.difference(features))


def _prepare(rule: Rule, lists: Mapping[str, Sequence[str]]) -> _Test:
    tests = [
        _either([_test(one, lists) for one in item.any]) if isinstance(item, Alternatives) else _test(item, lists)
        for item in rule.when
    ]
    return lambda case: all(test(case) for test in tests)


def _either(tests: Sequence[_Test]) -> _Test:
    return lambda case: any(test(case) for test in tests)


def _test(condition: Condition, lists: Mapping[str, Sequence[str]]) -> _Test:
    if condition.field == TIME_OF_DAY and condition.between:
        return _clock_test(*map(minutes, condition.between))
    if condition.among is not None or condition.not_among is not None:
        return _member_test(condition, lists)
    return _number_test(condition)


def _clock_test(begin: int, end: int) -> _Test:
    def holds(case: _Case) -> bool:
        moment = case.fields.get("occurred_at")
        if isinstance(moment, str):
            moment = datetime.fromisoformat(moment)
        if not isinstance(moment, datetime):
            return False
        utc = moment.astimezone(UTC)
        now = utc.hour * 60 + utc.minute
        return begin <= now < end if begin <= end else now >= begin or now < end

    return holds


def _member_test(condition: Condition, lists: Mapping[str, Sequence[str]]) -> _Test:
    wanted = None if condition.among is None else _members(condition.among, lists)
    unwanted = frozenset() if condition.not_among is None else _members(condition.not_among, lists)
    name = condition.field or ""

    def holds(case: _Case) -> bool:
        value = case.fields.get(name)
        return value is not None and (wanted is None or value in wanted) and value not in unwanted

    return holds


def _members(given: str | Sequence[str], lists: Mapping[str, Sequence[str]]) -> frozenset[str]:
    return frozenset(lists[given] if isinstance(given, str) else given)


def _number_test(condition: Condition) -> _Test:
    above, at_least = _bound(condition.above, -math.inf), _bound(condition.at_least, -math.inf)
    below, at_most = _bound(condition.below, math.inf), _bound(condition.at_most, math.inf)

    def holds(case: _Case) -> bool:
        value = _value(condition, case)
        # Written so that NaN, of which no comparison is true, never holds.
        return (
            value is not None
            and (condition.above is None or value > above)
            and (condition.below is None or value < below)
            and at_least <= value <= at_most
        )

    return holds


def _bound(given: float | None, otherwise: float) -> float:
    return otherwise if given is None else given


def _value(condition: Condition, case: _Case) -> float | None:
    if condition.probability:
        return case.probability
    value = case.features.get(condition.feature) if condition.feature else case.fields.get(condition.field or "")
    return value if isinstance(value, int | float) else None

"""The way of a case: recent events, score, rules, reasons, one commit."""

from collections.abc import Callable, Mapping, Sequence

from brain.deadline import Deadline
from brain.fraud.cases import Case
from brain.fraud.decision import AlertPolicy, answer_of, compose, judge
from brain.fraud.gatherer import Gatherer
from brain.fraud.ledger import Ledger
from brain.fraud.mirror import Context, Mirror
from brain.fraud.predictor import Answered, FraudPredictor
from brain.fraud.reasons import Reasons, explain, wanted
from brain.fraud.shadow import Shadow, Shadowing
from components.fraud.rules import RuleSet
from runtime.decision_log import (
    DuplicateEventError,
    EntityKey,
    HeadMovedError,
    KeyReusedError,
    LoggedEvent,
    NewEvent,
    Question,
)
from runtime.problems import Problem

MOST_TRIES = 3


class Analyst:
    """Decides cases one at a time.

    Args:
        predictor: Scores.
        ledger: Keeps.
        mirror: Knows how far the feature store has come.
        rules: The rule set in force for cards.
        alerts: When to raise one.
        shadow: What is asked besides, without a say.
        explain_seconds: Longest wait for reasons.
        on_alert: Called once alerts are in the log.
        count: Told kind and decision of everything that was decided.
    """

    def __init__(
        self,
        predictor: FraudPredictor,
        ledger: Ledger,
        mirror: Mirror,
        rules: RuleSet,
        alerts: AlertPolicy,
        shadow: Shadow,
        *,
        explain_seconds: float,
        on_alert: Callable[[], None] = lambda: None,
        count: Callable[[str, str], None] = lambda _kind, _decision: None,
    ) -> None:
        self.predictor = predictor
        self.gatherer = Gatherer(predictor)
        self.ledger = ledger
        self.mirror = mirror
        self.rules = rules
        self.alerts = alerts
        self.shadow = shadow
        self.explain_seconds = explain_seconds
        self._on_alert = on_alert
        self._count = count
        self._look = ledger.together(mirror.look)

    async def analyze(self, case: Case, deadline: Deadline) -> dict[str, object]:
        """Decide a case and record the decision, or give back the one that was recorded before.

        Raises:
            Problem: 409 where the id or the key was used for another case, 503 while the log or the predictor cannot
                answer or other cases of the same customer keep coming in between; nothing is recorded then.
        """
        for _ in range(MOST_TRIES):
            context = await self.look(case)
            if context.existing is not None:
                return repeated(case, context.existing)
            event = await self._decide(case, context, deadline)
            try:
                heads = dict.fromkeys(case.keys, context.head)
                (logged,) = await self.ledger.commit([event], heads)
            except HeadMovedError:
                continue
            except (DuplicateEventError, KeyReusedError) as error:
                return repeated(case, error.existing[0])
            self.committed([event], [logged])
            return answer_of(logged)
        detail = (
            f"the customer or the terminal of {case.transaction_id!r} had new events during {MOST_TRIES} tries; "
            "nothing was recorded, send it again"
        )
        raise Problem(503, detail=detail, headers={"Retry-After": "1"})

    def committed(self, events: Sequence[NewEvent], logged: Sequence[LoggedEvent]) -> None:
        """Count what was decided, and tell whoever waits for alerts that there are some.

        Args:
            events: What was to be committed.
            logged: What the log made of it, in the same order: where another request with the same key came first, its
                event stands there, and it was counted then.
        """
        own = [event for event, one in zip(events, logged, strict=True) if _decision_id(event) == _decision_id(one)]
        for event in own:
            self._count(event.stream.removeprefix("fraud-"), str((event.decision or {}).get("decision")))
        if any(event.alert is not None for event in own):
            self._on_alert()

    async def look(self, case: Case) -> Context:
        """Read what the log holds of a case."""
        question = question_of(case, case.keys)
        if not question.keys and question.idempotency_key is None and question.event_id is None:
            return Context()
        return await self._look(question)

    async def _decide(self, case: Case, context: Context, deadline: Deadline) -> NewEvent:
        records = [record_of(case, [wire_event(one) for one in context.recent])]
        shadowing = self.shadow.begin(case.kind, records, deadline)
        answered = await self.gatherer.score(case.kind, records[0], deadline)
        (event,) = await self.conclude([case], answered, records, deadline, head=context.head, shadowing=shadowing)
        return event

    def rules_for(self, case: Case) -> RuleSet | None:
        """The rule set that speaks of this kind of case."""
        return self.rules if self.rules.document.detector == case.kind else None

    async def conclude(
        self,
        cases: Sequence[Case],
        answered: Answered,
        records: Sequence[Mapping[str, object]],
        deadline: Deadline,
        *,
        head: int,
        shadowing: Shadowing,
    ) -> list[NewEvent]:
        """Rules, reasons and the events to commit, for rows that were scored together."""
        verdicts = [
            judge(case, answered, row, self.rules_for(case)) for case, row in zip(cases, answered.rows, strict=True)
        ]
        places = [place for place, case in enumerate(cases) if wanted(case, verdicts[place].decision)]
        reasons = await explain(
            self.predictor, cases[0].kind, answered, records, places, deadline, self.explain_seconds
        )
        shadows = await self.shadow.end(shadowing, cases, verdicts)
        return [
            compose(
                case,
                answered,
                answered.rows[place],
                verdict,
                reasons.get(place, Reasons()),
                rule_set="" if (rules := self.rules_for(case)) is None else rules.version,
                warnings=self._warnings(case, answered),
                alerts=self.alerts,
                head=head,
                shadow=shadows[place],
            )
            for place, (case, verdict) in enumerate(zip(cases, verdicts, strict=True))
        ]

    def _warnings(self, case: Case, answered: Answered) -> list[Mapping[str, str]]:
        rules = self.rules_for(case)
        missing = [] if rules is None else rules.missing(answered.names)
        if not missing:
            return []
        detail = f"version {answered.version} has no feature {', '.join(missing)}; rules that use it did not fire"
        return [{"code": "rule_without_feature", "detail": detail}]


def question_of(case: Case, keys: Sequence[EntityKey] = ()) -> Question:
    """What is asked about a case: whether it was decided before, and the recent events of some keys."""
    event_id = case.transaction_id if case.named else None
    return Question(case.stream, keys, case.caller, case.idempotency_key or None, event_id)


def _decision_id(event: NewEvent | LoggedEvent) -> object:
    return (event.decision or {}).get("id")


def record_of(case: Case, recent: Sequence[Mapping[str, object]]) -> Mapping[str, object]:
    """What the predictor gets of a case."""
    if case.kind != "card":
        record = case.body["record"]
        return record if isinstance(record, Mapping) else {}
    return {"transaction_id": case.transaction_id, **case.body, "recent": list(recent)}


def wire_event(event: LoggedEvent) -> Mapping[str, object]:
    """One event of `recent` on the wire."""
    names = ("occurred_at", "customer_id", "terminal_id", "amount_minor", "fraud", "known_at")
    return {
        "sequence": event.sequence,
        "type": event.kind,
        **{name: event.body[name] for name in names if name in event.body},
    }


def repeated(case: Case, existing: LoggedEvent) -> dict[str, object]:
    """The first answer for the same case; raise a 409 problem where it is another one."""
    if existing.request_digest == case.digest and existing.decision is not None:
        return answer_of(existing)
    if existing.event_id == case.transaction_id and existing.stream == case.stream:
        what = f"transaction_id {case.transaction_id!r}"
    else:
        what = f"Idempotency-Key {case.idempotency_key!r}"
    detail = (
        f"{what} was used for another request, as sequence {existing.sequence}; send the same request for the same "
        "answer, or choose a new one"
    )
    raise Problem(409, detail=detail, extensions={"sequence": existing.sequence})


def keys_of(cases: Sequence[Case]) -> tuple[EntityKey, ...]:
    """Every entity that some cases concern, once."""
    return tuple(dict.fromkeys(key for case in cases for key in case.keys))

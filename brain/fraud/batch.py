"""Many cases at once: in the order of their events, scored and committed in chunks, each row answered for itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from brain.deadline import Deadline
from brain.errors import internal_error
from brain.fraud.analysis import MOST_TRIES, Analyst, keys_of, question_of, record_of, repeated, wire_event
from brain.fraud.cases import KINDS, Case, read_case
from brain.fraud.decision import answer_of
from runtime.decision_log import DecisionLog, DuplicateEventError, HeadMovedError, KeyReusedError, LoggedEvent
from runtime.problems import FieldError, Problem

MOST_ROWS = 10_000
MOST_RECENT = 20_000
"""Events that are sent along with one chunk altogether; a chunk is cut before it needs more."""

Outcome = Mapping[str, object] | Problem


@dataclass(frozen=True)
class Row:
    """One row that was understood."""

    place: int
    case: Case


@dataclass(frozen=True)
class _Chunk:
    rows: Sequence[Row]
    records: Sequence[Mapping[str, object]]
    head: int


def read_rows(document: object, *, caller: str, now: datetime) -> Sequence[Row | Problem]:
    """Check every row for itself.

    Raises:
        Problem: 422 where there are no rows, or more than `MOST_ROWS`.
    """
    if not isinstance(document, dict) or set(document) - {"rows", "explain"} or "rows" not in document:
        raise _refused("", "expected an object with the list 'rows' and, if wanted, 'explain'")
    rows = document["rows"]
    if not isinstance(rows, list) or not 1 <= len(rows) <= MOST_ROWS:
        received = f"{len(rows)}" if isinstance(rows, list) else type(rows).__name__
        raise _refused("/rows", f"expected a list of 1 to {MOST_ROWS} rows, received {received}; send the rest apart")
    explain = document.get("explain", "never")
    return [_read_row(place, row, explain, caller=caller, now=now) for place, row in enumerate(rows)]


def _read_row(place: int, row: object, explain: object, *, caller: str, now: datetime) -> Row | Problem:
    from brain.api.fraud import checked_key

    if not isinstance(row, dict):
        return _refused("", f"expected an object, received {type(row).__name__}")
    fields = {"explain": explain, **row}
    key = fields.pop("idempotency_key", None)
    try:
        kept = None if key is None else checked_key(key, "/idempotency_key")
        return Row(place, read_case(fields, caller=caller, idempotency_key=kept, now=now))
    except Problem as problem:
        return problem


def _refused(pointer: str, detail: str) -> Problem:
    return Problem(422, detail=f"{pointer or 'the row'}: {detail}", errors=[FieldError(pointer, detail)])


class Batch:
    """Decides many cases with the parts of an `Analyst`."""

    def __init__(self, analyst: Analyst, chunk_rows: int) -> None:
        self._analyst = analyst
        self._chunk_rows = chunk_rows

    async def run(self, rows: Sequence[Row | Problem], deadline: Deadline) -> Sequence[Outcome]:
        """An answer or a problem for each row, in the order of the rows; they are decided in event-time order.

        A row sees the rows of the batch that happened before it. What fails fails alone, or with its chunk.
        """
        outcomes: dict[int, Outcome] = {place: row for place, row in enumerate(rows) if isinstance(row, Problem)}
        understood = sorted(
            (row for row in rows if isinstance(row, Row)), key=lambda row: (row.case.occurred_at, row.place)
        )
        named: dict[tuple[str, str], Row] = {}
        firsts: list[Row] = []
        twins: list[tuple[Row, Row]] = []
        for row in understood:
            names = _names(row.case)
            first = next((named[name] for name in names if name in named), None)
            if first is None:
                firsts.append(row)
                named.update(dict.fromkeys(names, row))
            else:
                twins.append((row, first))
        for kind in KINDS:
            waiting = [row for row in firsts if row.case.kind == kind]
            while waiting:
                waiting = waiting[await self._some(waiting, outcomes, deadline) :]
        for row, first in twins:
            outcomes[row.place] = _as_first(row.case, first.case, outcomes[first.place])
        return [outcomes.get(place, internal_error()) for place in range(len(rows))]

    async def _some(self, waiting: Sequence[Row], outcomes: dict[int, Outcome], deadline: Deadline) -> int:
        """Decide the first rows that wait; returns how many were dealt with."""
        offered = waiting[: self._chunk_rows]
        if deadline.remaining_seconds == 0:
            late = Problem(504, detail="the batch's time was over before this row; send it again")
            outcomes.update({row.place: late for row in waiting})
            return len(waiting)
        taken = len(offered)
        for _ in range(MOST_TRIES):
            try:
                known, chunk = await self._analyst.ledger.run(lambda log: self._prepare(log, offered))
                outcomes.update({row.place: _again(row.case, event) for row, event in known})
                taken = len(known) + len(chunk.rows)
                if chunk.rows:
                    outcomes.update(await self._decide(chunk, deadline))
                return taken
            except (HeadMovedError, DuplicateEventError, KeyReusedError):
                continue  # others wrote meanwhile: what they wrote is found by the next look
            except Problem as problem:
                outcomes.update({row.place: problem for row in offered if row.place not in outcomes})
                return len(offered)
        detail = (
            f"other events of these customers or terminals came in between during {MOST_TRIES} tries; send it again"
        )
        moved = Problem(503, detail=detail, headers={"Retry-After": "1"})
        outcomes.update({row.place: moved for row in offered if row.place not in outcomes})
        return len(offered)

    def _prepare(self, log: DecisionLog, offered: Sequence[Row]) -> tuple[list[tuple[Row, LoggedEvent]], _Chunk]:
        """Which of the rows are known already, and the records of those that are not; blocking."""
        found = _found(log, offered)
        fresh = [row for row, event in found if event is None]
        recent: Sequence[LoggedEvent] = ()
        head = 0
        if keys := keys_of([row.case for row in fresh]):
            recent, head = self._analyst.mirror.recent(log, fresh[0].case.stream, keys, most=MOST_RECENT)
        before: dict[tuple[str, str], list[tuple[int, Mapping[str, object]]]] = {}
        for number, event in enumerate(recent):
            for key in event.keys:
                before.setdefault(key, []).append((number, wire_event(event)))
        records: list[Mapping[str, object]] = []
        sent = 0
        for place, row in enumerate(fresh):
            along = dict(one for key in row.case.keys for one in before.get(key, ()))
            sent += len(along)
            if sent > MOST_RECENT and records:
                break
            records.append(record_of(row.case, [along[number] for number in sorted(along)]))
            for key in row.case.keys:
                before.setdefault(key, []).append((len(recent) + place, _unwritten(row.case)))
        chunk = _Chunk(fresh[: len(records)], records, head)
        last = chunk.rows[-1].place if chunk.rows and len(records) < len(fresh) else None
        # Rows behind a cut wait for the next look, those that are known already among them.
        order = [row.place for row in offered]
        cut = len(order) if last is None else order.index(last) + 1
        return [(row, event) for row, event in found[:cut] if event is not None], chunk

    async def _decide(self, chunk: _Chunk, deadline: Deadline) -> dict[int, Outcome]:
        cases = [row.case for row in chunk.rows]
        analyst = self._analyst
        shadowing = analyst.shadow.begin(cases[0].kind, chunk.records, deadline)
        answered = await analyst.predictor.score(cases[0].kind, chunk.records, deadline)
        events = await analyst.conclude(cases, answered, chunk.records, deadline, head=chunk.head, shadowing=shadowing)
        heads = dict.fromkeys(keys_of(cases), chunk.head)
        logged = await analyst.ledger.run(lambda log: log.commit(events, heads))
        analyst.committed(events, logged)
        return {row.place: answer_of(event) for row, event in zip(chunk.rows, logged, strict=True)}


def _found(log: DecisionLog, rows: Sequence[Row]) -> list[tuple[Row, LoggedEvent | None]]:
    """Each row with the event that it repeats."""
    found = []
    for row, seen in zip(rows, log.look([question_of(row.case) for row in rows], 0, 1), strict=True):
        if isinstance(seen, Exception):
            raise seen
        found.append((row, seen.existing))
    return found


def _names(case: Case) -> Sequence[tuple[str, str]]:
    names = [(case.stream, case.transaction_id)]
    return names if case.idempotency_key is None else [*names, ("", case.idempotency_key)]


def _again(case: Case, event: LoggedEvent) -> Outcome:
    try:
        return repeated(case, event)
    except Problem as problem:
        return problem


def _as_first(case: Case, first: Case, outcome: Outcome) -> Outcome:
    """What a row gets that stands twice in a batch."""
    if case.digest == first.digest:
        return outcome
    detail = f"transaction_id or idempotency_key of {case.transaction_id!r} stands on another row of this batch too"
    return Problem(409, detail=detail)


def _unwritten(case: Case) -> Mapping[str, object]:
    """A row of the same batch, which has no sequence yet."""
    names = ("occurred_at", "customer_id", "terminal_id", "amount_minor")
    return {"sequence": None, "type": "transaction", **{name: case.body[name] for name in names}}

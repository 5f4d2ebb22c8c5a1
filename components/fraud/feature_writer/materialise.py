"""States for serving from a history and the decision log together."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.fraud.cards.events import Event, Label
from components.fraud.cards.history import final_states
from components.fraud.cards.state import EntityState, apply
from components.fraud.cards.table import epoch_us, read_batches
from components.fraud.feature_writer.folding import CARD_STREAM, encoded, readable
from components.fraud.feature_writer.loop import move_cursors, open_states
from feature_repo.fraud import LABEL_DELAY_SECONDS, LONGEST_HOURS, card_feature_digest
from feature_repo.fraud_online import FeastCardStates
from feature_repo.writer_lock import writing
from runtime.decision_log import DecisionLog, open_decision_log
from runtime.moments import microseconds

OLDEST_ACCEPTED = timedelta(days=30)
"""An event that is older when it arrives is refused at the door."""

REACH = timedelta(hours=LONGEST_HOURS, seconds=LABEL_DELAY_SECONDS) + OLDEST_ACCEPTED
"""No window of an event that may come after the history's end reaches further back."""

_PAGE = 1000
_WRITE_STATES = 2000


@dataclass(frozen=True)
class MaterialiseReport:
    """What a materialisation did; `sequence` is the newest of the log that the states hold."""

    feature_digest: str
    customers: int
    terminals: int
    sequence: int
    logged_events: int
    seconds: float


def materialise_states(
    transactions: Path,
    at: datetime,
    *,
    log: DecisionLog | None = None,
    profile: str | None = None,
    lock_seconds: float = 300.0,
) -> MaterialiseReport:
    """Write the states at the end of a history, with every event of the log on top, and move the cursor there.

    A transaction that stands in both counts once; so does a label that the history knew. Every state is written once
    and whole, with the sequence up to which it holds the log: killed at any point, each state in the store still says
    truly what it holds, and the feature writer goes on from the old cursor.

    Args:
        transactions: Parquet, the `transactions` table.
        at: End of the history; later rows of it do not count.
        log: The decision log; None opens the one in the settings.
        profile: Feature store profile; None follows the environment.
        lock_seconds: Longest wait for another writer of the store.

    Raises:
        TransactionsError: The table is empty or no table of transactions.
        WriterBusyError: Another writer held the store for too long.
        StateStoreUnavailableError: The store did not answer.
    """
    started = time.perf_counter()
    with ExitStack() as stack:
        if log is None:
            log = open_decision_log()
            stack.callback(log.close)
        states = open_states(profile, lock_seconds)
        stack.enter_context(writing(states.store, "materialise card states", lock_seconds))
        head = log.head(CARD_STREAM)
        pending = _Pending.read(log, head, transactions, at)
        logged_events = pending.count
        customers, terminals = _write(states, _complete(final_states(transactions, at), pending), head or -1)
        move_cursors(log, head)
    seconds = time.perf_counter() - started
    return MaterialiseReport(card_feature_digest(), customers, terminals, head, logged_events, seconds)


_States = Iterator[tuple[str, str, EntityState]]


@dataclass
class _Pending:
    """Events of the log that the history does not hold, by kind and id of entity, ascending."""

    events: dict[tuple[str, str], list[Event]] = field(default_factory=dict)
    count: int = 0

    @classmethod
    def read(cls, log: DecisionLog, head: int, transactions: Path, at: datetime) -> "_Pending":
        logged = list(_logged(log, head, microseconds(at - REACH)))
        known, labelled = _held_by_history(transactions, at, [name for name, _ in logged])
        pending = cls()
        for name, event in logged:
            if name in (labelled if isinstance(event, Label) else known):
                continue
            pending.count += 1
            for key in (("customer", event.customer_id), ("terminal", event.terminal_id)):
                pending.events.setdefault(key, []).append(event)
        return pending

    def fold_into(self, kind: str, name: str, state: EntityState) -> None:
        for event in self.events.pop((kind, name), ()):
            apply(event, state if kind == "customer" else None, state if kind == "terminal" else None)


def _logged(log: DecisionLog, head: int, oldest_us: int) -> Iterator[tuple[str, Event]]:
    """Events of the log up to `head` that a window may still reach, each with the id of its transaction."""
    after = 0
    while after < head:
        page = [one for one in log.read(CARD_STREAM, after, _PAGE) if one.sequence <= head]
        names = {one.sequence: one.subject_id or one.event_id for one in page}
        reached = [one for one in page if one.occurred_at_us >= oldest_us]
        yield from ((names[cast(int, event.sequence)], event) for event in readable(reached))
        after = page[-1].sequence


def _held_by_history(transactions: Path, at: datetime, ids: list[str]) -> tuple[set[str], set[str]]:
    """Those of the ids whose transactions the history holds by then, and those whose labels it knew by then."""
    known: set[str] = set()
    labelled: set[str] = set()
    asked, at_us = pa.array(ids, pa.string()), microseconds(at)
    columns = ("transaction_id", "occurred_at", "fraud", "label_known_at")
    for batch in read_batches(transactions, columns) if ids else ():
        found = pc.is_in(batch["transaction_id"], asked).to_numpy(zero_copy_only=False)
        found &= epoch_us(batch["occurred_at"]) <= at_us
        knows = batch["fraud"].is_valid().to_numpy(zero_copy_only=False)
        label_us = epoch_us(batch["label_known_at"])
        knows &= batch["label_known_at"].is_valid().to_numpy(zero_copy_only=False) & (label_us <= at_us)
        for into, rows in ((known, found), (labelled, found & knows)):
            into.update(batch["transaction_id"].take(pa.array(np.flatnonzero(rows))).to_pylist())
    return known, labelled


def _complete(history: _States, pending: _Pending) -> _States:
    """The history's states with the log on top, then those of entities that only the log knows."""
    for kind, name, state in history:
        pending.fold_into(kind, name, state)
        yield kind, name, state
    for kind, name in list(pending.events):
        state = EntityState.empty()
        pending.fold_into(kind, name, state)
        yield kind, name, state


def _write(states: FeastCardStates, complete: _States, head: int) -> tuple[int, int]:
    """Write states in batches; every one holds the log up to `head`. Returns how many of each kind."""
    held: dict[str, dict[str, EntityState]] = {"customer": {}, "terminal": {}}
    written = {"customer": 0, "terminal": 0}

    def flush() -> None:
        states.write(encoded(held["customer"]), encoded(held["terminal"]))
        for kind, batch in held.items():
            written[kind] += len(batch)
            batch.clear()

    for kind, name, state in complete:
        state.last_sequence = head
        held[kind][name] = state
        if len(held["customer"]) + len(held["terminal"]) >= _WRITE_STATES:
            flush()
    flush()
    return written["customer"], written["terminal"]

"""Decisions of many requests in one transaction: each gets its own answer or its own refusal."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from brain.fraud.committer import Committer
from brain.fraud.ledger import Ledger
from runtime.decision_log import DuplicateEventError, HeadMovedError, KeyReusedError, NewEvent
from runtime.decision_log.factory import open_decision_log


class Counting:
    """Counts the commits that reach the log."""

    def __init__(self, log: Any) -> None:
        self.log = log
        self.sizes: list[int] = []

    def commit(self, events: Any, heads: Any) -> Any:
        self.sizes.append(len(events))
        return self.log.commit(events, heads)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.log, name)


@pytest.fixture
async def counted(tmp_path: Path) -> AsyncIterator[Any]:
    log = Counting(open_decision_log(f"sqlite:///{tmp_path / 'log.db'}"))
    ledger = Ledger(lambda: log, threads=2, waiting=100)
    yield Committer(ledger), log
    ledger.close()


def event(name: str, customer: str, key: str | None = None, digest: str = "d") -> NewEvent:
    decision = {"id": f"dcsn_{name}_{customer}"}
    keys = [("customer", customer)]
    return NewEvent("fraud-card", "transaction", name, keys, 1, {}, "me", key, digest, decision)


async def test_what_comes_while_a_transaction_runs_goes_into_the_next_together(counted: Any) -> None:
    committer, log = counted
    events = [event(f"t{number}", f"C{number}") for number in range(40)]
    logged = await asyncio.gather(*(committer.commit(one, {("customer", one.keys[0][1]): 0}) for one in events))
    assert sorted(one.sequence for one in logged) == list(range(1, 41))
    assert [one.event_id for one in logged] == [one.event_id for one in events]
    assert len(log.sizes) < 10


async def test_of_two_cases_of_one_customer_the_second_has_to_be_decided_again(counted: Any) -> None:
    committer, _ = counted
    pair = [event("a", "C1"), event("b", "C1"), event("c", "C2")]
    found = await asyncio.gather(
        *(committer.commit(one, dict.fromkeys(one.keys, 0)) for one in pair), return_exceptions=True
    )
    assert found[0].event_id == "a" and found[2].event_id == "c"
    assert isinstance(found[1], HeadMovedError) and found[1].moved == {("customer", "C1"): found[0].sequence}


async def test_a_refused_case_takes_none_of_the_others_with_it(counted: Any) -> None:
    committer, _ = counted
    await committer.commit(event("old", "C0", key="k"), {})
    group = [
        event("old", "C1"),
        event("new", "C2", key="k", digest="another"),
        event("moved", "C0"),
        event("good", "C3"),
    ]
    found = await asyncio.gather(
        *(committer.commit(one, dict.fromkeys(one.keys, 0)) for one in group), return_exceptions=True
    )
    assert isinstance(found[0], DuplicateEventError) and found[0].existing[0].event_id == "old"
    assert isinstance(found[1], KeyReusedError) and found[1].existing[0].event_id == "old"
    assert isinstance(found[2], HeadMovedError)
    assert found[3].event_id == "good"

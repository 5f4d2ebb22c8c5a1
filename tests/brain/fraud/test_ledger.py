"""Calls to the decision log from the event loop: those that come together go together, and none takes another along."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from brain.fraud.ledger import Ledger, LedgerUnavailableError
from brain.fraud.together import MOST_TOGETHER
from runtime.decision_log import DecisionLog, DuplicateEventError, HeadMovedError, NewEvent
from runtime.decision_log.sql_log import SqlDecisionLog

C1 = ("customer", "C1")


def new(event_id: str) -> NewEvent:
    return NewEvent("cards", "transaction", event_id, [C1], 1, {}, "ann", None, "digest", {"id": f"d-{event_id}"})


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    opened = Ledger(lambda: SqlDecisionLog(f"sqlite:///{tmp_path / 'd.db'}"), threads=2, waiting=100)
    yield opened
    opened.close()


class Slow:
    """Work that doubles numbers, keeps what it was asked together, and waits where it is told to."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.go_on.set()

    def __call__(self, _log: DecisionLog, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.groups.append(list(numbers))
        self.begun.set()
        self.go_on.wait(10)
        return [ValueError(f"{number} is negative") if number < 0 else 2 * number for number in numbers]

    async def hold(self, ask: Callable[[int], object], number: int) -> "asyncio.Task[int]":
        """Ask, and come back once the call is under way; it ends when `go_on` is set."""
        self.go_on.clear()
        task = asyncio.ensure_future(ask(number))  # type: ignore[call-overload]
        await asyncio.to_thread(self.begun.wait, 10)
        return task  # type: ignore[no-any-return]


async def asked(ask: Callable[[int], object], numbers: Sequence[int]) -> "list[asyncio.Task[int]]":
    tasks = [asyncio.ensure_future(ask(number)) for number in numbers]  # type: ignore[call-overload]
    await asyncio.sleep(0)
    return tasks


async def test_who_comes_alone_is_served_alone_and_those_who_come_meanwhile_go_together(ledger: Ledger) -> None:
    slow = Slow()
    ask = ledger.together(slow)
    assert await ask(1) == 2
    first = await slow.hold(ask, 2)
    later = await asked(ask, [3, 4, 5])
    slow.go_on.set()
    assert await asyncio.gather(first, *later) == [4, 6, 8, 10]
    assert slow.groups == [[1], [2], [3, 4, 5]]


async def test_no_call_takes_more_than_its_share(ledger: Ledger) -> None:
    slow = Slow()
    ask = ledger.together(slow)
    numbers = list(range(MOST_TOGETHER + 5))
    assert await asyncio.gather(*map(ask, numbers)) == [2 * number for number in numbers]
    assert [len(group) for group in slow.groups] == [MOST_TOGETHER, 5]


async def test_what_is_wrong_with_one_is_told_to_it_alone(ledger: Ledger) -> None:
    ask = ledger.together(Slow())
    found = await asyncio.gather(ask(1), ask(-2), ask(3), return_exceptions=True)
    assert (found[0], found[2]) == (2, 6)
    assert isinstance(found[1], ValueError) and "-2" in str(found[1])


async def test_who_is_cancelled_takes_nobody_along(ledger: Ledger) -> None:
    slow = Slow()
    ask = ledger.together(slow)
    under_way = await slow.hold(ask, 1)
    waiting = await asked(ask, [2, 3])
    under_way.cancel()
    waiting[0].cancel()
    slow.go_on.set()
    assert await waiting[1] == 6
    assert slow.groups == [[1], [3]]
    assert under_way.cancelled() and waiting[0].cancelled()
    assert await ask(4) == 8


async def test_more_than_may_wait_are_refused_until_others_are_done(tmp_path: Path) -> None:
    ledger = Ledger(lambda: SqlDecisionLog(f"sqlite:///{tmp_path / 'd.db'}"), threads=1, waiting=2)
    slow = Slow()
    ask = ledger.together(slow)
    first = await slow.hold(ask, 1)
    others = await asked(ask, [2, 3])
    with pytest.raises(LedgerUnavailableError, match="too many"):
        await ask(4)
    with pytest.raises(LedgerUnavailableError, match="too many"):
        await ledger.run(lambda log: log.head("cards"))
    slow.go_on.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6]
    assert await ask(5) == 10
    ledger.close()


@pytest.mark.parametrize("whole", [True, False])
async def test_a_database_that_fails_is_told_to_all_as_a_503_and_the_next_are_served(
    ledger: Ledger, whole: bool
) -> None:
    failing = [True]

    def work(log: DecisionLog, numbers: Sequence[int]) -> Sequence[int | Exception]:
        error = OperationalError("SELECT", {}, OSError("postgresql://aio:secret@host"))
        if failing[0] and whole:
            raise error
        return [error if failing[0] else log.head("cards") for _ in numbers]

    ask = ledger.together(work)
    found = await asyncio.gather(ask(1), ask(2), return_exceptions=True)
    assert [type(one) for one in found] == [LedgerUnavailableError, LedgerUnavailableError]
    assert "secret" not in str(found[0])
    failing[0] = False
    assert await asyncio.gather(ask(1), ask(2)) == [0, 0]


async def test_commits_of_one_turn_get_an_outcome_each(ledger: Ledger) -> None:
    found = await asyncio.gather(
        ledger.commit([new("t1")], {C1: 0}),
        ledger.commit([new("t2")], {C1: 0}),
        ledger.commit([new("t1")]),
        ledger.commit([new("t3")], {C1: 1}),
        return_exceptions=True,
    )
    assert isinstance(found[1], HeadMovedError) and isinstance(found[2], DuplicateEventError)
    assert [one.event_id for one in await ledger.run(lambda log: log.read("cards", 0, 9))] == ["t1", "t3"]


async def test_a_commit_whose_caller_went_away_while_it_was_made_stands_and_its_repeat_finds_it(
    ledger: Ledger,
) -> None:
    log = await ledger.run(lambda log: log)
    assert isinstance(log, SqlDecisionLog)
    with log._database.writing():
        going = asyncio.ensure_future(ledger.commit([new("t1")]))
        staying = asyncio.ensure_future(ledger.commit([new("t2")]))
        while not log._commits._led:  # the group is under way, and waits for this transaction
            await asyncio.sleep(0.001)
        going.cancel()
        await asyncio.sleep(0)
    assert [one.sequence for one in await staying] == [2]
    with pytest.raises(DuplicateEventError) as caught:
        await ledger.commit([new("t1")])
    assert caught.value.existing[0].sequence == 1


async def test_whoever_asks_a_closed_ledger_is_told(ledger: Ledger) -> None:
    ask = ledger.together(Slow())
    ledger.close()
    with pytest.raises(RuntimeError, match="shutdown"):
        await asyncio.wait_for(ask(1), 5)

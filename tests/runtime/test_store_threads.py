"""A store that blocks, asked from the event loop."""

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Callable

import pytest

from runtime.problems import Problem
from runtime.store_threads import StoreThreads


class Shelf:
    """A store that counts how often it was opened and closed."""

    def __init__(self) -> None:
        self.opened = self.closed = 0
        self.broken: Exception | None = None
        self.begun, self.go_on = threading.Event(), threading.Event()

    def open(self) -> "Shelf":
        self.opened += 1
        if self.broken:
            raise self.broken
        return self

    def close(self) -> None:
        self.closed += 1

    def wait(self) -> str:
        self.begun.set()
        assert self.go_on.wait(10)
        return threading.current_thread().name


def unavailable(reason: str, seconds: int) -> Problem:
    return Problem(503, detail=f"the shelf {reason}; {seconds} s")


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
async def threads(shelf: Shelf) -> AsyncIterator[StoreThreads[Shelf]]:
    made = StoreThreads(
        "good shelf", shelf.open, lambda error: isinstance(error, OSError), unavailable, threads=1, waiting=1
    )
    yield made
    shelf.go_on.set()
    made.close()


async def held(threads: StoreThreads[Shelf], work: Callable[[Shelf], object]) -> object:
    return await threads.hold(lambda: threads.start(work))


async def test_the_store_is_opened_with_the_first_work_and_once(threads: StoreThreads[Shelf], shelf: Shelf) -> None:
    assert shelf.opened == 0
    assert await held(threads, lambda one: one) is shelf
    assert threads.ask(lambda one: one) is shelf
    assert shelf.opened == 1


async def test_a_store_that_could_not_be_opened_is_opened_by_the_next(
    threads: StoreThreads[Shelf], shelf: Shelf
) -> None:
    shelf.broken = OSError("no such host")
    with pytest.raises(Problem, match="the shelf cannot be read or written now; 2 s") as caught:
        await held(threads, lambda one: one)
    assert caught.value.__cause__ is shelf.broken
    shelf.broken = None
    assert await held(threads, lambda one: one) is shelf


async def test_more_than_may_wait_are_refused_and_nothing_is_begun_for_them(
    threads: StoreThreads[Shelf], shelf: Shelf
) -> None:
    first, second = (asyncio.ensure_future(held(threads, Shelf.wait)) for _ in range(2))
    await asyncio.to_thread(shelf.begun.wait, 10)
    begun = []
    with pytest.raises(Problem, match="the shelf has too many calls waiting; 1 s"):
        threads.hold(lambda: begun.append(1) or threads.start(Shelf.wait))  # type: ignore[func-returns-value]
    assert not begun
    shelf.go_on.set()
    assert await asyncio.gather(first, second) == ["good-shelf_0", "good-shelf_0"]
    assert await held(threads, lambda _: 5) == 5


async def test_a_call_that_is_cancelled_makes_room(threads: StoreThreads[Shelf], shelf: Shelf) -> None:
    first, second = (asyncio.ensure_future(held(threads, Shelf.wait)) for _ in range(2))
    await asyncio.to_thread(shelf.begun.wait, 10)
    second.cancel()
    await asyncio.wait([second])
    third = asyncio.ensure_future(held(threads, lambda _: 3))
    await asyncio.sleep(0)
    shelf.go_on.set()
    assert (await first, await third) == ("good-shelf_0", 3)


async def test_what_the_store_refuses_comes_through_as_it_is(threads: StoreThreads[Shelf]) -> None:
    refused = LookupError("no such thing")

    def work(_: Shelf) -> None:
        raise refused

    with pytest.raises(LookupError) as caught:
        await held(threads, work)
    assert caught.value is refused
    assert threads.told(refused) is refused


async def test_an_error_that_nobody_waits_for_any_more_is_not_complained_of(
    threads: StoreThreads[Shelf], shelf: Shelf
) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))

    def work(one: Shelf) -> None:
        one.wait()
        raise LookupError

    future = threads.hold(lambda: threads.start(work))
    shelf.go_on.set()
    await asyncio.wait([future])
    del future
    gc.collect()
    await asyncio.sleep(0)
    assert not complaints


async def test_closing_waits_for_the_work_in_hand_and_closes_what_was_opened(shelf: Shelf) -> None:
    threads = StoreThreads("shelf", shelf.open, lambda _: False, unavailable, threads=1, waiting=0)
    threads.close()
    assert shelf.closed == 0
    threads = StoreThreads("shelf", shelf.open, lambda _: False, unavailable, threads=1, waiting=0)
    work = asyncio.ensure_future(held(threads, Shelf.wait))
    await asyncio.to_thread(shelf.begun.wait, 10)
    closing = asyncio.ensure_future(asyncio.to_thread(threads.close))
    await asyncio.sleep(0.05)
    assert (closing.done(), shelf.closed) == (False, 0)
    shelf.go_on.set()
    await asyncio.gather(work, closing)
    assert shelf.closed == 1

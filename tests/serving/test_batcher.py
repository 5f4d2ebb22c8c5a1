"""Requests share model calls, and none of them spoils, delays or outlives what it should."""

import asyncio
import threading

import numpy as np
import pytest

from serving.batcher import MicroBatcher, ModelThread, Rows
from serving.errors import CallerGoneError, DeadlineError, PredictorError, QueueFullError


class Model:
    """Adds one; keeps the sizes of its calls, and waits at `gate` while that is closed."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None

    def __call__(self, rows: Rows) -> Rows:
        self.calls.append(len(rows))
        assert self.gate.wait(5)
        if self.error is not None:
            raise self.error
        with np.errstate(invalid="ignore"):
            return np.sqrt(rows) * np.sqrt(rows) + 1


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def batcher(model: Model) -> MicroBatcher:
    return MicroBatcher(model, ModelThread(), max_rows=8, queue_rows=20)


def soon() -> float:
    return asyncio.get_running_loop().time() + 5


def rows(*values: float) -> Rows:
    return np.array(values, np.float32)[:, None]


async def submit(batcher: MicroBatcher, *values: float, seconds: float = 5, alive: bool = True) -> list[float]:
    deadline = asyncio.get_running_loop().time() + seconds
    answer = await batcher.submit(rows(*values), deadline, lambda: alive)
    return [round(float(value), 3) for value in answer[:, 0]]


async def busy(batcher: MicroBatcher, model: Model) -> "asyncio.Task[list[float]]":
    """Keep the model in a call until its gate opens."""
    model.gate.clear()
    first = asyncio.create_task(submit(batcher, 1))
    while not model.calls:
        await asyncio.sleep(0.001)
    return first


async def test_a_lone_request_is_answered_without_waiting_for_company(batcher: MicroBatcher, model: Model) -> None:
    assert await submit(batcher, 1, 2) == [2, 3]
    assert model.calls == [2]


async def test_requests_that_come_during_a_call_share_the_next(batcher: MicroBatcher, model: Model) -> None:
    first = await busy(batcher, model)
    others = [asyncio.create_task(submit(batcher, *values)) for values in ([2], [3, 4], [5])]
    await asyncio.sleep(0.01)
    assert batcher.queued_rows == 4
    model.gate.set()
    assert await first == [2]
    assert await asyncio.gather(*others) == [[3], [4, 5], [6]]
    assert model.calls == [1, 4]
    assert batcher.queued_rows == 0


async def test_a_call_takes_no_more_than_its_limit_and_keeps_the_order(batcher: MicroBatcher, model: Model) -> None:
    first = await busy(batcher, model)
    others = [asyncio.create_task(submit(batcher, *([number] * 3))) for number in range(5)]
    await asyncio.sleep(0.01)
    model.gate.set()
    await first
    assert await asyncio.gather(*others) == [[number + 1.0] * 3 for number in range(5)]
    assert model.calls == [1, 6, 6, 3]


async def test_a_full_queue_refuses_and_says_when_to_come_back(batcher: MicroBatcher, model: Model) -> None:
    first = await busy(batcher, model)
    waiting = [asyncio.create_task(submit(batcher, *([1.0] * 8))) for _ in range(2)]
    await asyncio.sleep(0.01)
    with pytest.raises(QueueFullError, match="16 rows wait .* at most 20") as refused:
        await submit(batcher, *([1.0] * 8))
    assert refused.value.retry_after_seconds
    model.gate.set()
    await asyncio.gather(first, *waiting)
    assert await submit(batcher, 1) == [2]


async def test_a_deadline_ends_the_wait_while_the_model_is_slow(batcher: MicroBatcher, model: Model) -> None:
    first = await busy(batcher, model)
    begun = asyncio.get_running_loop().time()
    with pytest.raises(DeadlineError):
        await submit(batcher, 2, seconds=0.05)
    assert asyncio.get_running_loop().time() - begun < 1
    assert batcher.queued_rows == 0
    model.gate.set()
    assert await first == [2]
    assert await submit(batcher, 3) == [4]
    assert model.calls == [1, 1], "the expired row never reached the model"


async def test_a_call_in_progress_is_left_at_the_deadline(batcher: MicroBatcher, model: Model) -> None:
    model.gate.clear()
    with pytest.raises(DeadlineError):
        await submit(batcher, 2, seconds=0.05)
    model.gate.set()
    assert await submit(batcher, 3) == [4]


async def test_rows_of_a_caller_that_left_are_dropped(batcher: MicroBatcher, model: Model) -> None:
    first = await busy(batcher, model)
    cancelled = asyncio.create_task(submit(batcher, 2))
    gone = asyncio.create_task(submit(batcher, 3, alive=False))
    kept = asyncio.create_task(submit(batcher, 4))
    await asyncio.sleep(0.08)
    cancelled.cancel()
    await asyncio.sleep(0.01)
    model.gate.set()
    assert await first == [2]
    assert await kept == [5]
    with pytest.raises(CallerGoneError):
        await gone
    assert model.calls == [1, 1]


async def test_a_row_without_an_answer_fails_alone(batcher: MicroBatcher, model: Model) -> None:
    first = await busy(batcher, model)
    good, bad = asyncio.create_task(submit(batcher, 2, 3)), asyncio.create_task(submit(batcher, 4, -1))
    await asyncio.sleep(0.01)
    model.gate.set()
    await first
    assert await good == [3, 4]
    with pytest.raises(PredictorError):
        await bad
    assert model.calls == [1, 4]


async def test_a_failing_model_fails_its_callers_without_a_word_of_why_and_the_next_call_runs(
    batcher: MicroBatcher, model: Model
) -> None:
    model.error = RuntimeError("secret path")
    with pytest.raises(PredictorError) as told:
        await submit(batcher, 1)
    assert told.value.status == 500
    assert "secret" not in str(told.value)
    model.error = None
    assert await submit(batcher, 1) == [2]


async def test_a_thousand_concurrent_requests_each_get_their_own_answer(model: Model) -> None:
    batcher = MicroBatcher(model, ModelThread(), max_rows=64, queue_rows=10_000)
    answers = await asyncio.gather(*(submit(batcher, number, seconds=20) for number in range(1000)))
    assert [answer[0] for answer in answers] == pytest.approx([number + 1 for number in range(1000)], rel=1e-5)
    assert max(model.calls) == 64
    assert len(model.calls) < 40

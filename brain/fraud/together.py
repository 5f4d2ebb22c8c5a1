"""Puts what many callers ask into few calls: while one is under way, those that come go with the next.

Nothing waits on a timer: what is asked alone goes alone and at once.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

MOST_TOGETHER = 64

_Q = TypeVar("_Q")
_A = TypeVar("_A")


class Together(Generic[_Q, _A]):
    """A line of questions, for one event loop.

    Args:
        start: Starts a call; its outcomes are as many as its questions, in their order, and an exception among them is
            the outcome of its question alone.
        at_a_time: Calls under way at once.
    """

    def __init__(
        self, start: "Callable[[Sequence[_Q]], asyncio.Future[Sequence[_A | Exception]]]", *, at_a_time: int = 1
    ) -> None:
        self._start = start
        self._line: deque[tuple[_Q, asyncio.Future[_A]]] = deque()
        self._free = at_a_time

    def ask(self, question: _Q) -> "asyncio.Future[_A]":
        """Ask with the next call; a future that is cancelled before then is not asked, and a later one lets it end."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[_A] = loop.create_future()
        self._line.append((question, answer))
        if self._free:
            self._free -= 1
            loop.call_soon(self._send)  # with those that are asked in the same turn of the loop
        return answer

    def _send(self) -> None:
        while self._line:
            taken = [self._line.popleft() for _ in range(min(MOST_TOGETHER, len(self._line)))]
            group = [(question, answer) for question, answer in taken if not answer.done()]
            if group and self._begin([question for question, _ in group], [answer for _, answer in group]):
                return
        self._free += 1

    def _begin(self, questions: Sequence[_Q], answers: "Sequence[asyncio.Future[_A]]") -> bool:
        try:
            call = self._start(questions)
        except Exception as error:  # noqa: BLE001 - it is raised again where the questions were asked
            _fail(answers, error)
            return False
        call.add_done_callback(lambda ended: self._end(answers, ended))
        return True

    def _end(self, answers: "Sequence[asyncio.Future[_A]]", call: "asyncio.Future[Sequence[_A | Exception]]") -> None:
        if call.cancelled():
            for answer in answers:
                answer.cancel()
        elif error := call.exception():
            _fail(answers, error)
        else:
            for answer, outcome in zip(answers, call.result(), strict=True):
                _settle(answer, outcome)
        self._send()


def _fail(answers: "Sequence[asyncio.Future[_A]]", error: BaseException) -> None:
    for answer in answers:
        _settle(answer, error)


def _settle(answer: "asyncio.Future[_A]", outcome: _A | BaseException) -> None:
    if answer.done():
        return
    if isinstance(outcome, BaseException):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)

"""The best schedule and bound so far, shared by searches in several threads. Imports OR-Tools."""

import threading
import time
from collections.abc import Callable

from ortools.sat.python import cp_model

from brain.l20.planning.compact import State


class Best:
    """The shortest schedule so far, and the bound; for several threads."""

    def __init__(self, state: State, measure: Callable[[State], int], bound: int, ends: float) -> None:
        self._measure = measure
        self._lock = threading.Lock()
        self._solver: cp_model.CpSolver | None = None
        self._beyond: int | None = None
        self.state, self.value = state, measure(state)
        self.bound = bound
        self.ends = ends

    @property
    def over(self) -> bool:
        """Whether nothing is left to search for, or no time."""
        return self.value <= self.bound or time.monotonic() >= self.ends

    def share(self, state: State) -> State | None:
        """Offer a schedule and take the shortest; None: it is over."""
        value = self._measure(state)
        with self._lock:
            if value < self.value:
                self.state, self.value = state, value
            if self._solver and (self.over or (self._beyond is not None and self.value <= self._beyond)):
                self._solver.stop_search()
            return None if self.over else self.state

    def prove(self, bound: int) -> None:
        """No schedule is shorter than this."""
        with self._lock:
            self.bound = max(self.bound, min(bound, self.value))
            if self._solver and self.over:
                self._solver.stop_search()

    def run(
        self,
        solver: cp_model.CpSolver,
        solve: Callable[[], cp_model.CpSolverStatus],
        beyond: int | None = None,
    ) -> cp_model.CpSolverStatus:
        """Solve in a way that what is found elsewhere stops: a proof, or a schedule no longer than `beyond`."""
        self._solver, self._beyond = solver, beyond
        if self.over:
            solver.parameters.max_time_in_seconds = 0.0
        try:
            return solve()
        finally:
            self._solver = self._beyond = None

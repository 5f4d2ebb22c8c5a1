"""The bench's reader, on a made-up project and, where they are at hand, on the real ones."""

import pytest

from bench.plan import psplib
from brain.l20.planning.bounds import critical_path_bound
from brain.l20.planning.problem import Task
from brain.l20.planning.solve import solve

TEXT = """\
************************************************************************
jobs (incl. supersource/sink ):  4
RESOURCES
  - renewable                 :  2   R
************************************************************************
PRECEDENCE RELATIONS:
jobnr.    #modes  #successors   successors
   1        1          2           2   3
   2        1          1           4
   3        1          1           4
   4        1          0
************************************************************************
REQUESTS/DURATIONS:
jobnr. mode duration  R 1  R 2
------------------------------------------------------------------------
  1      1     0       0    0
  2      1     8       4    0
  3      1     4      10    1
  4      1     0       0    0
************************************************************************
RESOURCEAVAILABILITIES:
  R 1  R 2
   12    1
************************************************************************
"""


def test_jobs_successors_demands_and_capacities_are_read() -> None:
    problem = psplib.parse(TEXT)
    assert dict(problem.capacity) == {"R1": 12, "R2": 1}
    third: Task = problem.by_id["3"]
    assert (third.modes[0].duration, dict(third.modes[0].demands), third.after) == (4, {"R1": 10, "R2": 1}, ("1",))
    assert problem.by_id["4"].after == ("2", "3")
    assert critical_path_bound(problem) == 8
    assert solve(problem, seconds=5, workers=1).value == 12


def test_a_known_project_has_its_known_optimum() -> None:
    if reason := psplib.available():
        pytest.skip(reason)
    solution = solve(psplib.load("j301_1"), seconds=20, workers=1)
    assert (solution.status, solution.value) == ("optimal", psplib.best_known("j301_1"))

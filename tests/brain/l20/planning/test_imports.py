"""What may not be imported with what, seen in fresh interpreters."""

from tests.support.interpreter import loaded_by

SOLVERS = ("ortools", "pyjobshop", "numpy")
PACKAGE = "brain.l20.planning"


def imported(*names: str) -> set[str]:
    """Names of all modules that are there after the import of some of the planner's."""
    return loaded_by(*(f"{PACKAGE}.{name}" for name in names))


def test_the_checker_stands_on_the_problem_alone() -> None:
    found = imported("check")
    assert {name for name in found if name.startswith(f"{PACKAGE}.")} == {f"{PACKAGE}.check", f"{PACKAGE}.problem"}
    assert not found & set(SOLVERS)


def test_the_light_half_imports_no_solver() -> None:
    light = imported("problem", "check", "profile", "bounds", "heuristic", "gantt", "solve", "infeasible")
    assert not light & set(SOLVERS)


def test_what_solves_does_import_one() -> None:
    """So that the names above are the ones to look for."""
    assert imported("cp_sat") >= {"ortools", "numpy"}

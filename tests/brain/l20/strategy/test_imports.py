"""What the gateway may not load, seen in a fresh interpreter."""

from tests.support.interpreter import loaded_by

HEAVY = {"numpy", "ortools", "pyjobshop", "brain.l20.planning.simulate", "brain.l20.strategy.planner"}


def test_the_planning_routes_load_no_solver_and_no_simulation() -> None:
    found = loaded_by("brain.api.l20_strategize", "brain.api.l20_plans")
    assert not found & HEAVY
    assert "brain.l20.strategy.commission" in found


def test_what_the_worker_loads_does() -> None:
    """So that the names above are the ones to look for."""
    assert loaded_by("brain.l20.strategy.handler") >= {"numpy", "brain.l20.strategy.planner"}

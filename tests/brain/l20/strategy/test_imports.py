"""What the gateway may not load, seen in a fresh interpreter."""

import subprocess
import sys

from runtime.settings import REPOSITORY_ROOT

HEAVY = {"numpy", "ortools", "pyjobshop", "brain.l20.planning.simulate", "brain.l20.strategy.planner"}


def imported(*names: str) -> set[str]:
    code = f"import sys, {', '.join(names)}; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=REPOSITORY_ROOT)
    return set(ran.stdout.split())


def test_the_planning_routes_load_no_solver_and_no_simulation() -> None:
    found = imported("brain.api.l20_strategize", "brain.api.l20_plans")
    assert not found & HEAVY
    assert "brain.l20.strategy.commission" in found


def test_what_the_worker_loads_does() -> None:
    """So that the names above are the ones to look for."""
    assert imported("brain.l20.strategy.handler") >= {"numpy", "brain.l20.strategy.planner"}

"""Project scheduling: problem, checker, bounds, heuristic, solver, chart."""

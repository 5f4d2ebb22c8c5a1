"""Which instances are measured: one of every class of a set, so ordered that the first few are spread over them all.

Classes of j30 and j60 come in steps of 17 of 48, those of j120 in steps of 23 of 60; what a class is made with (network
complexity, resource factor, resource strength) changes in nested loops, which such steps cross.
"""

from pathlib import Path

from bench.plan.psplib import SETS, set_of

_NAMES = (Path(__file__).parent / "instances.txt").read_text("ascii").split()

INSTANCES: dict[str, tuple[str, ...]] = {each: tuple(name for name in _NAMES if set_of(name) == each) for each in SETS}

"""What this machine has to spare: cores that this process may use, and memory that is free."""

import os
from collections.abc import Iterator
from pathlib import Path

import psutil

from local.settings import LocalSettings

GIGABYTE = 1_000_000_000

_CGROUP_FILES = {
    "": ("memory.max", "memory.current", "inactive_file"),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}
"""By the controller in `/proc/self/cgroup` (none: the unified hierarchy): limit, usage, and what can be reclaimed."""


def usable_cores() -> int:
    """Cores that this process may run on, which are fewer than the machine's where it is pinned."""
    return len(os.sched_getaffinity(0))


def free_memory_bytes(cgroups: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Memory that new processes may take: what the machine has available, or less where a control group says so.

    Args:
        cgroups: Where the control groups are mounted.
        membership: The file that says which ones this process is in.
    """
    return min(psutil.virtual_memory().available, *_headrooms(cgroups, membership))


def against_together(
    trainings: int, local: LocalSettings, *, cores: int | None = None, memory_bytes: int | None = None
) -> str:
    """Why so many trainings should not run at the same time; empty where they may.

    Args:
        trainings: How many.
        local: Says what one may take.
        cores: Usable ones; None asks the machine.
        memory_bytes: Free; None asks the machine.
    """
    cores = usable_cores() if cores is None else cores
    if cores < trainings:
        return f"{cores} usable core{'' if cores == 1 else 's'}"
    free = (free_memory_bytes() if memory_bytes is None else memory_bytes) / GIGABYTE
    each = local.memory_of_a_training_gb
    if free < trainings * each:
        return f"{free:.1f} GB of memory free, and each may take {each:g} (LOCAL_TRAINING_MEMORY_GB)"
    return ""


def _headrooms(cgroups: Path, membership: Path) -> Iterator[int]:
    """What each control group above this process leaves it, without end where none limits it."""
    yield 1 << 63
    lines = membership.read_text().splitlines() if membership.is_file() else []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in set(controllers.split(",")) & _CGROUP_FILES.keys():
            top = cgroups / controller
            own = top / path.strip("/")
            for folder in (own, *own.parents):
                if folder.is_relative_to(top):
                    yield from _headroom(folder, *_CGROUP_FILES[controller])


def _headroom(folder: Path, limit: str, usage: str, reclaimable: str) -> Iterator[int]:
    if not all((folder / file).is_file() for file in (limit, usage, "memory.stat")):
        return
    most = (folder / limit).read_text().strip()
    if most.isdecimal():  # else "max"
        statistics = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        yield int(most) - int((folder / usage).read_text()) + int(statistics.get(reclaimable, "0"))

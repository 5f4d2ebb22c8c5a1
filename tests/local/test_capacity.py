"""Whether there is room to train twice at once."""

import os
import re
from pathlib import Path

import psutil
import pytest

from local.capacity import GIGABYTE, against_together, free_memory_bytes, usable_cores
from local.programs import environment
from local.settings import LocalSettings
from local.training import FIRST_CHAMPIONS
from runtime.settings import REPOSITORY_ROOT, RuntimeSettings

SETTINGS = LocalSettings(training_memory_gb=8)
V2 = ("memory.max", "memory.current", "inactive_file")
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _group(folder: Path, files: tuple[str, str, str], limit: str, usage: int, reclaimable: int) -> None:
    folder.mkdir(parents=True)
    (folder / files[0]).write_text(f"{limit}\n")
    (folder / files[1]).write_text(f"{usage}\n")
    (folder / "memory.stat").write_text(f"anon 1\n{files[2]} {reclaimable}\n")


def test_two_trainings_fit_where_each_has_a_core_and_its_memory() -> None:
    assert against_together(2, SETTINGS, cores=2, memory_bytes=16 * GIGABYTE) == ""


def test_one_core_is_against_it() -> None:
    assert against_together(2, SETTINGS, cores=1, memory_bytes=64 * GIGABYTE) == "1 usable core"


def test_too_little_memory_is_against_it_and_the_setting_is_named() -> None:
    said = against_together(2, SETTINGS, cores=8, memory_bytes=15_900_000_000)
    assert said == "15.9 GB of memory free, and each may take 8 (LOCAL_TRAINING_MEMORY_GB)"


def test_the_cores_are_those_that_this_process_may_use() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert usable_cores() == 1
        told = environment(LocalSettings(), RuntimeSettings(), {})
        assert told["OMP_NUM_THREADS"] == "1"
    finally:
        os.sched_setaffinity(0, before)
    assert usable_cores() == len(before)


def test_the_machine_is_asked_where_nothing_is_given() -> None:
    assert 0 < free_memory_bytes() <= psutil.virtual_memory().total
    assert "usable core" in against_together(len(os.sched_getaffinity(0)) + 1, SETTINGS)
    assert "LOCAL_TRAINING_MEMORY_GB" in against_together(1, LocalSettings(training_memory_gb=1024), cores=1)


@pytest.mark.parametrize(
    ("line", "folder", "files"),
    [
        ("0::/docker/abc", "docker/abc", V2),
        ("4:memory:/docker/abc", "memory/docker/abc", V1),
        ("5:cpu,memory:/docker/abc", "memory/docker/abc", V1),
    ],
)
def test_a_control_group_leaves_its_limit_less_what_cannot_be_reclaimed(
    tmp_path: Path, line: str, folder: str, files: tuple[str, str, str]
) -> None:
    _group(tmp_path / folder, files, "5000", 3000, 1000)
    membership = tmp_path / "membership"
    membership.write_text(f"9:name=systemd:/\n{line}\n")
    assert free_memory_bytes(tmp_path, membership) == 3000


def test_the_tightest_of_nested_control_groups_counts(tmp_path: Path) -> None:
    _group(tmp_path / "outer", V2, "5000", 1000, 0)
    _group(tmp_path / "outer" / "inner", V2, "max", 900, 0)
    (tmp_path / "membership").write_text("0::/outer/inner\n")
    assert free_memory_bytes(tmp_path, tmp_path / "membership") == 4000


def test_control_groups_that_cannot_be_read_limit_nothing(tmp_path: Path) -> None:
    (tmp_path / "membership").write_text("0::/elsewhere\n4:memory:/../..\n")
    assert free_memory_bytes(tmp_path, tmp_path / "membership") > GIGABYTE // 100
    assert free_memory_bytes(tmp_path, tmp_path / "none") > GIGABYTE // 100


def test_a_full_training_is_given_as_much_memory_as_its_largest_step_may_take_and_a_quick_one_less() -> None:
    files = [REPOSITORY_ROOT / "pipelines" / f"{name.replace('-', '_')}.py" for name in FIRST_CHAMPIONS.values()]
    limits = [int(found) for file in files for found in re.findall(r'set_memory_limit\("(\d+)G"\)', file.read_text())]
    assert LocalSettings(profile="full").memory_of_a_training_gb == max(limits)
    assert LocalSettings(profile="quick").memory_of_a_training_gb == 3
    assert LocalSettings(profile="full", training_memory_gb=5).memory_of_a_training_gb == 5

import os
import signal
import subprocess
import sys

import pytest

from components.parent_watch import ORPHANED_EXIT_CODE, PARENT_VARIABLE
from runtime.settings import REPOSITORY_ROOT

WATCH = "import threading, time; from components.parent_watch import die_with_parent; die_with_parent(); "


@pytest.fixture
def parent() -> "subprocess.Popen[bytes]":
    return subprocess.Popen(["sleep", "600"])


def environment(parent: "subprocess.Popen[bytes]") -> dict[str, str]:
    return {**os.environ, PARENT_VARIABLE: str(parent.pid)}


def test_a_process_ends_when_its_parent_is_killed_even_before_it_is_reaped(parent: "subprocess.Popen[bytes]") -> None:
    program = WATCH + "print('on', flush=True); time.sleep(600)"
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=REPOSITORY_ROOT, env=environment(parent), stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None and child.stdout.readline() == b"on\n"

        parent.send_signal(signal.SIGKILL)

        assert child.wait(20) == ORPHANED_EXIT_CODE
    parent.wait(5)


def test_a_run_of_a_killed_scheduler_does_not_start(parent: "subprocess.Popen[bytes]") -> None:
    parent.kill()
    parent.wait(5)

    done = subprocess.run(
        [sys.executable, "-m", "pipelines", "list"], cwd=REPOSITORY_ROOT, env=environment(parent), capture_output=True
    )

    assert (done.returncode, done.stdout) == (ORPHANED_EXIT_CODE, b"")


def test_without_a_named_parent_nothing_is_watched() -> None:
    variables = {name: value for name, value in os.environ.items() if name != PARENT_VARIABLE}
    program = WATCH + "print(threading.active_count())"

    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY_ROOT, env=variables, capture_output=True, check=True
    )

    assert done.stdout == b"1\n"

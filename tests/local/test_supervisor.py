"""A real supervisord restarts what dies and leaves nothing behind."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local.orphans import orphans, sweep
from local.programs import INSTANCE_VARIABLE, Program
from local.supervisor import Supervisor, SupervisorError

SLEEPER = Program("sleeper", "Sleeper", (sys.executable, "-c", "import time; print('100% awake'); time.sleep(600)"))


def _eventually(holds: Callable[[], bool], seconds: float = 15) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    state = tmp_path_factory.mktemp("s")
    manager = Supervisor(state)
    environment = {**os.environ, INSTANCE_VARIABLE: str(state), "LOCAL_PYTHON": sys.executable}
    manager.start([SLEEPER], environment, stop_timeout_seconds=5)
    manager.state_dir = state  # type: ignore[attr-defined]
    yield manager
    if manager.running():
        manager.shutdown(15)
    sweep(state, 5)


def test_a_killed_process_comes_back(supervisor: Supervisor) -> None:
    supervisor.launch("sleeper")
    assert _eventually(lambda: supervisor.state("sleeper").state == "RUNNING")
    first = supervisor.state("sleeper").pid
    os.kill(first, signal.SIGKILL)
    assert _eventually(lambda: supervisor.state("sleeper").pid not in (0, first))


def test_output_goes_to_the_log_of_the_process(supervisor: Supervisor) -> None:
    supervisor.launch("sleeper")
    assert _eventually(lambda: "100% awake" in supervisor.log_file("sleeper").read_text())


def test_shutdown_stops_every_process(supervisor: Supervisor) -> None:
    supervisor.launch("sleeper")
    assert _eventually(lambda: supervisor.state("sleeper").pid != 0)
    pid = supervisor.state("sleeper").pid
    supervisor.shutdown(15)
    assert not supervisor.running()
    assert not psutil.pid_exists(pid), "it returned before the process had ended"
    assert orphans(supervisor.state_dir) == []  # type: ignore[attr-defined]


def test_orphans_of_a_killed_supervisor_are_found_and_ended(supervisor: Supervisor) -> None:
    supervisor.launch("sleeper")
    # Who still writes when the supervisor's pipe is gone dies of it: let it speak first.
    assert _eventually(lambda: "100% awake" in supervisor.log_file("sleeper").read_text())
    pid = supervisor.state("sleeper").pid
    state: Path = supervisor.state_dir  # type: ignore[attr-defined]
    os.kill(int((state / "run" / "supervisord.pid").read_text()), signal.SIGKILL)
    assert _eventually(lambda: not supervisor.running())
    assert pid in {process.pid for process in orphans(state)}
    assert sweep(state, 5) >= 1
    assert not psutil.pid_exists(pid)


def test_a_state_folder_too_deep_for_a_socket_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SupervisorError, match="AIO_STATE_DIR"):
        Supervisor(tmp_path / ("deep" * 30))

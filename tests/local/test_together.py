"""Commands that run at the same time: what is shown of them, and that nothing of them is left."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from components.parent_watch import PARENT_VARIABLE as WATCHED_VARIABLE
from local.launch import PARENT_VARIABLE
from local.together import RunsFailedError, run_together
from runtime.settings import REPOSITORY_ROOT

Wait = Callable[..., None]

# What a pipeline's run is to the launcher. Its step outlives it unless somebody sees to it, or it is told to watch.
WORKER = """
import os, pathlib, signal, subprocess, sys, time
from components.parent_watch import die_with_parent
die_with_parent()
if "stubborn" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
watch = "from components.parent_watch import die_with_parent; die_with_parent(); " if "watched" in sys.argv else ""
told = {**os.environ, "AIO_PARENT_PID": str(os.getpid())}
step = subprocess.Popen([sys.executable, "-c", watch + "import time; time.sleep(600)"], env=told)
print(f"step {step.pid}", flush=True)
pathlib.Path(sys.argv[1]).write_text(f"{os.getpid()} {step.pid}")
time.sleep(600)
"""


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), width=80, highlight=False)


def _shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPOSITORY_ROOT), PARENT_VARIABLE: str(os.getpid())}


def _python(program: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-u", "-c", program, *words)


def _run(commands: Mapping[str, tuple[str, ...]], console: Console, stop_timeout_seconds: float = 20) -> None:
    run_together(commands, _environment(), console, stop_timeout_seconds)


def _gone(file: Path) -> bool:
    for pid in map(int, file.read_text().split()):
        with contextlib.suppress(psutil.NoSuchProcess):
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                return False
    return True


def _written(*files: Path) -> Callable[[], bool]:
    return lambda: all(file.is_file() and len(file.read_text().split()) == 2 for file in files)


def test_they_run_at_the_same_time(screen: Console, tmp_path: Path) -> None:
    meeting = (
        "import pathlib, sys, time; me, other = map(pathlib.Path, sys.argv[1:]); me.touch()\n"
        "deadline = time.monotonic() + 20\n"
        "while not other.exists():\n"
        "    assert time.monotonic() < deadline, 'alone'\n"
        "    time.sleep(0.02)\n"
    )
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    _run({"one": _python(meeting, one, two), "two": _python(meeting, two, one)}, screen)


def test_every_line_stands_under_its_name_and_within_80_columns(screen: Console) -> None:
    talk = "import time\nfor n in range(5): print(f'{n} ' + 'word ' * 40); time.sleep(0.02)"
    _run({"first": _python(talk), "second-one": _python(talk)}, screen)
    lines = _shown(screen).splitlines()
    assert {line[:13] for line in lines} == {"first      │ ", "second-one │ "}
    assert max(map(len, lines)) <= 80
    for name in ("first", "second-one"):
        mine = " ".join(line[13:].rstrip() for line in lines if line.startswith(name))
        assert mine == " ".join(f"{n} {'word ' * 40}".rstrip() for n in range(5))


def test_a_command_is_told_the_columns_that_are_left_to_it_and_that_nobody_sees_colours(screen: Console) -> None:
    program = "import os; print(os.environ['COLUMNS'], os.environ['TTY_COMPATIBLE'])"
    _run({"first": _python(program)}, screen)
    assert _shown(screen) == "first │ 72 0\n"


def test_what_one_that_ends_well_complains_of_is_shown_under_its_name(screen: Console) -> None:
    _run({"first": _python("import sys; print('[red]a[/]'); print('careful', file=sys.stderr)")}, screen)
    assert _shown(screen) == "first │ [red]a[/]\nfirst │ careful\n"


def test_a_failure_is_shown_whole_after_the_others_last_line(screen: Console, tmp_path: Path) -> None:
    path = "/".join(["a-long-folder"] * 12)
    fails = f"import sys, time; print('step …'); time.sleep(1); print('no: log {path}', file=sys.stderr); sys.exit(3)"
    talks = "import time\nwhile True: print('noise'); time.sleep(0.01)"
    with pytest.raises(RunsFailedError, match=r"^bad failed with exit code 3$"):
        _run({"bad": _python(fails), "good": _python(talks)}, screen)
    before, whole = _shown(screen).split("\nbad failed with exit code 3. All that it said:\n")
    assert whole == f"step …\nno: log {path}\n"
    assert "good │ noise" in before


def test_two_failures_at_once_are_both_told(screen: Console) -> None:
    with pytest.raises(RunsFailedError) as caught:
        _run({"one": _python("raise SystemExit(4)"), "two": _python("raise SystemExit(5)")}, screen)
    told = {name: code for name, code in {"one": 4, "two": 5}.items() if f"{name} failed" in _shown(screen)}
    assert dict(caught.value.codes) == told and told


@pytest.mark.parametrize("how", ["polite", "stubborn"])
def test_a_failure_ends_the_other_one_and_its_steps(screen: Console, tmp_path: Path, how: str) -> None:
    other = tmp_path / "other"
    fails = (
        "import pathlib, sys, time\n"
        f"while not pathlib.Path({str(other)!r}).exists(): time.sleep(0.02)\n"
        "time.sleep(0.2); sys.exit(1)"
    )
    began = time.monotonic()
    with pytest.raises(RunsFailedError, match="bad failed"):
        _run({"bad": _python(fails), "other": _python(WORKER, str(other), how)}, screen, stop_timeout_seconds=1.5)
    assert _gone(other)
    assert time.monotonic() - began < 20


def test_one_that_leaves_a_step_behind_is_not_waited_for_and_the_step_is_ended(screen: Console, tmp_path: Path) -> None:
    file = tmp_path / "left"
    program = WORKER.rpartition("time.sleep")[0]
    _run({"one": _python(program, str(file))}, screen)
    assert _gone(file)


def test_what_the_callers_check_raises_ends_the_others(screen: Console, tmp_path: Path, wait_until: Wait) -> None:
    other = tmp_path / "other"
    asked: list[str] = []

    def ended(name: str) -> None:
        asked.append(name)
        wait_until(_written(other), 20, "the other one")
        raise LookupError(name)

    commands = {"other": _python(WORKER, str(other)), "one": _python("")}
    with pytest.raises(LookupError, match="one"):
        run_together(commands, _environment(), screen, 20, ended)
    assert asked == ["one"]
    assert _gone(other)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_when_the_launcher_ends(tmp_path: Path, wait_until: Wait, how: signal.Signals) -> None:
    files = [tmp_path / "one", tmp_path / "two"]
    launcher = f"""
import os, sys
from rich.console import Console
from local.together import run_together
commands = {{file: (sys.executable, "-u", "-c", {WORKER!r}, file, "watched") for file in sys.argv[1:]}}
run_together(commands, {{**os.environ, {PARENT_VARIABLE!r}: str(os.getpid())}}, Console(), 20)
"""
    with subprocess.Popen(
        [sys.executable, "-c", launcher, *map(str, files)],
        cwd=REPOSITORY_ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_until(_written(*files), 30, "both commands at work")
        process.send_signal(how)
        process.wait(20)
    wait_until(lambda: all(map(_gone, files)), 20, "the end of the commands and their steps")


def test_the_launcher_names_the_variable_that_the_pipelines_watch() -> None:
    assert PARENT_VARIABLE == WATCHED_VARIABLE

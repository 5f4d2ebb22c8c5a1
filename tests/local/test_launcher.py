"""What the launcher says when it cannot do what it was asked."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from local.orphans import PortTakenError, check_ports_free
from local.programs import environment, programs
from local.settings import LocalSettings
from runtime.process_lock import LockHeldError, process_lock
from runtime.settings import RuntimeSettings


def test_a_taken_port_is_reported_with_its_holder_and_the_way_out() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with pytest.raises(PortTakenError) as caught:
            check_ports_free([("the gateway", port, "LOCAL_GATEWAY_PORT")])
    assert str(port) in str(caught.value)
    assert f"process {os.getpid()} (" in str(caught.value)
    assert "LOCAL_GATEWAY_PORT" in str(caught.value)


def test_a_free_port_passes() -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    check_ports_free([("the gateway", port, "LOCAL_GATEWAY_PORT")])


def test_a_second_holder_is_told_who_the_first_is(tmp_path: Path) -> None:
    lock = tmp_path / "up.lock"
    code = f"""
from pathlib import Path
from runtime.process_lock import process_lock
with process_lock(Path({str(lock)!r}), "make up"):
    print("held", flush=True)
    input()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(LockHeldError) as caught, process_lock(lock, "make up"):
            pass
        holder.kill()
    assert str(holder.pid) in str(caught.value)
    assert "make up" in str(caught.value)
    with process_lock(lock, "make up"):
        pass


def test_mlflow_starts_first_and_everything_binds_loopback(tmp_path: Path) -> None:
    started = programs(LocalSettings(), RuntimeSettings(state_dir=tmp_path))
    assert started[0].name == "mlflow"
    assert "127.0.0.1" in started[0].command
    assert all(program.ready_url is None or "//127.0.0.1:" in program.ready_url for program in started)


def test_each_predictor_is_told_its_own_ports(tmp_path: Path) -> None:
    started = programs(LocalSettings(), RuntimeSettings(state_dir=tmp_path))
    predictors = [program for program in started if "serving" in program.command]
    told = {program.name: program.variables.get("PREDICTOR_HTTP_PORT") for program in predictors}
    assert told == {"crypto-predictor": "5002", "fraud-predictor": "5004"}


def test_every_cache_stands_in_the_state_folder(tmp_path: Path) -> None:
    told = environment(LocalSettings(), RuntimeSettings(state_dir=tmp_path), {})
    for name in ("MPLCONFIGDIR", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "AIO_STATE_DIR"):
        assert Path(told[name]).is_relative_to(tmp_path)


def test_the_callers_environment_wins_except_for_the_addresses(tmp_path: Path) -> None:
    inherited = {"AIO_LOG_LEVEL": "ERROR", "OMP_NUM_THREADS": "7", "BRAIN_PORT": "1"}
    told = environment(LocalSettings(), RuntimeSettings(state_dir=tmp_path), inherited)
    assert (told["AIO_LOG_LEVEL"], told["OMP_NUM_THREADS"], told["BRAIN_PORT"]) == ("ERROR", "7", "8000")

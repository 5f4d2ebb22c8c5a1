"""Who listens on a port, and which processes a killed supervisor left behind."""

import contextlib
from collections.abc import Iterable
from pathlib import Path

import psutil

from local.programs import INSTANCE_VARIABLE


class PortTakenError(RuntimeError):
    """A port that the platform needs belongs to a process that is not ours."""


def orphans(state_dir: Path) -> list[psutil.Process]:
    """Processes of this state folder that no supervisor looks after, this process and its parents left out."""
    me = psutil.Process()
    family = {me.pid, *(parent.pid for parent in me.parents())}
    found = []
    for process in psutil.process_iter():
        if process.pid in family:
            continue
        with contextlib.suppress(psutil.Error):
            if process.environ().get(INSTANCE_VARIABLE) == str(state_dir):
                found.append(process)
    return found


def sweep(state_dir: Path, timeout_seconds: float) -> int:
    """End this state folder's orphans, politely first; returns how many there were."""
    left = orphans(state_dir)
    for process in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.terminate()
    _, alive = psutil.wait_procs(left, timeout=timeout_seconds)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5)
    return len(left)


def listener(port: int) -> psutil.Process | None:
    """The process that listens on a TCP port of this machine, as far as this user may see it."""
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status != psutil.CONN_LISTEN or not connection.laddr or not connection.pid:
            continue
        if connection.laddr.port == port:
            with contextlib.suppress(psutil.NoSuchProcess):
                return psutil.Process(connection.pid)
    return None


def check_ports_free(ports: Iterable[tuple[str, int, str]]) -> None:
    """Raise `PortTakenError` naming the holder of the first taken port.

    Args:
        ports: Program title, port, and the setting that moves it.
    """
    for title, port, setting in ports:
        if not _taken(port):
            continue
        holder = listener(port)
        who = f"process {holder.pid} ({_command(holder)})" if holder else "a process of another user"
        raise PortTakenError(
            f"port {port}, which {title} needs, is taken by {who}; stop it, or choose another port with {setting}=PORT"
        )


def _taken(port: int) -> bool:
    import socket

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())[:120] or process.name()
    except psutil.Error:
        return "unknown"

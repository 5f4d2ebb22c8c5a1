"""Databases under measurement: a file of SQLite, and a PostgreSQL of Debian that flushes as it comes."""

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.processes import free_port

_STARTS_WITHIN_SECONDS = 60.0


@dataclass(frozen=True)
class Server:
    """A PostgreSQL server; `url` leads to its maintenance database."""

    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """CPU of all its processes so far, those that have ended included."""
        process = psutil.Process(self.pid)
        ended = process.cpu_times()
        living = [one.cpu_times() for one in [process, *process.children(recursive=True)]]
        return ended.children_user + ended.children_system + sum(one.user + one.system for one in living)


def postgres_program(name: str) -> Path | None:
    """A program of the newest PostgreSQL that Debian has installed; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3]))
    return found[-1] if found else None


@contextlib.contextmanager
def postgres() -> Iterator[Server | None]:
    """A server of its own, with full flushes; None where PostgreSQL is not installed."""
    program = postgres_program("postgres")
    if program is None:
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="bench-postgres-"))
    owner: dict[str, object] = {}
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
        owner = {"user": "postgres", "group": "postgres", "extra_groups": []}
    port, data = free_port(), str(folder / "data")
    try:
        initdb = [str(program.with_name("initdb")), "-D", data, "-U", "aio", "-A", "trust", "-E", "UTF8", "--locale=C"]
        subprocess.run(initdb, check=True, capture_output=True, cwd=folder, **owner)
        options = (f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}")
        command = [str(program), "-D", data, *(part for option in options for part in ("-c", option))]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        with subprocess.Popen(command, cwd=folder, start_new_session=True, **quiet, **owner) as server:
            try:
                _wait_for(program.with_name("pg_isready"), port)
                yield Server(f"postgresql://aio@127.0.0.1:{port}/postgres", server.pid)
            finally:
                server.terminate()
                server.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(ready: Path, port: int) -> None:
    command = [str(ready), "-q", "-h", "127.0.0.1", "-p", str(port)]
    until = time.monotonic() + _STARTS_WITHIN_SECONDS
    while subprocess.run(command, check=False).returncode != 0:
        if time.monotonic() > until:
            raise TimeoutError(f"PostgreSQL did not answer on port {port} within {_STARTS_WITHIN_SECONDS} s")
        time.sleep(0.05)


@contextlib.contextmanager
def empty_database(server: Server | None) -> Iterator[str]:
    """Address of an empty database: of the server, or a SQLite file where None is given."""
    if server is None:
        with tempfile.TemporaryDirectory(prefix="bench-sqlite-") as folder:
            yield f"sqlite:///{folder}/runs.db"
        return
    import psycopg

    name = f"bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"')
        try:
            yield server.url.rpartition("/")[0] + f"/{name}"
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')

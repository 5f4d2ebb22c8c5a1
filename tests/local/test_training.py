"""The first champions are trained at the same time where there is room, one after the other elsewhere."""

import io
import os
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from rich.console import Console

from local.launch import LaunchError, Platform
from local.settings import LocalSettings
from local.training import FIRST_CHAMPIONS, train_first_champions
from runtime.settings import RuntimeSettings

pytestmark = pytest.mark.timeout(60)
CRYPTO, FRAUD = FIRST_CHAMPIONS.values()
Place = Callable[..., Platform]

# Stands where `python -m pipelines` looks first. A run notes whether it ever saw another one at work.
PIPELINES = """
import os, pathlib, sys, time
command, name, here = sys.argv[1], sys.argv[2], pathlib.Path.cwd()
assert (command, sys.argv[3:]) == ("run", ["--target", "local", "--profile", "quick"]), sys.argv
assert os.environ["AIO_PARENT_PID"] == str(os.getppid())
(here / f"{name}.at-work").touch()
print(f"{name} speaks", flush=True)
deadline = time.monotonic() + 20
while (here / "meet").exists() and len(list(here.glob("*.at-work"))) < 2 and time.monotonic() < deadline:
    time.sleep(0.02)
with (here / "together").open("a") as file:
    file.write(f"{len(list(here.glob('*.at-work')))}\\n")
if (here / f"{name}.fails").exists():
    sys.exit(f"{name} failed in a step; log: somewhere")
time.sleep(0.3 if not list(here.glob("*.fails")) else 600)
if not (here / f"{name}.no-champion").exists():
    (here / f"{name}.champion").touch()
(here / f"{name}.at-work").unlink()
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A function that gives a platform whose registry knows a champion once its pipeline has written one."""

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            (model,) = parse_qs(urlsplit(self.path).query)["name"]
            known = (tmp_path / f"{FIRST_CHAMPIONS[model]}.champion").exists()
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(b'{"model_version": {"version": "1"}}' if known else b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    (tmp_path / "pipelines").mkdir()
    (tmp_path / "pipelines" / "__init__.py").touch()
    (tmp_path / "pipelines" / "__main__.py").write_text(PIPELINES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1})
    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def make(*present: str, training_memory_gb: float = 0.001) -> Platform:
        for name in present:
            (tmp_path / name).touch()
        local = LocalSettings(mlflow_port=server.server_port, training_memory_gb=training_memory_gb)
        return Platform(local, RuntimeSettings(state_dir=tmp_path), Console(file=io.StringIO(), width=80))

    yield make
    server.shutdown()
    server.server_close()


def _shown(platform: Platform) -> str:
    assert isinstance(platform.console.file, io.StringIO)
    return platform.console.file.getvalue()


def _seen() -> list[str]:
    return Path("together").read_text().split()


def test_with_room_for_both_they_are_trained_at_the_same_time(place: Place) -> None:
    platform = place("meet")
    train_first_champions(platform)
    assert "2" in _seen()
    assert f"{CRYPTO} │ {CRYPTO} speaks" in _shown(platform)
    assert f"{FRAUD} │ {FRAUD} speaks" in _shown(platform)
    assert _shown(platform).count("has no champion yet: training the first one (quick profile)") == 2


def test_without_the_memory_they_are_trained_one_after_the_other(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    platform = place(training_memory_gb=1024)
    train_first_champions(platform)
    assert _seen() == ["1", "1"]
    assert "Training one after the other: " in _shown(platform)
    assert "LOCAL_TRAINING_MEMORY_GB" in _shown(platform)
    assert capfd.readouterr().out == f"{CRYPTO} speaks\n{FRAUD} speaks\n"


def test_on_one_core_they_are_trained_one_after_the_other(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0})
    platform = place()
    train_first_champions(platform)
    assert _seen() == ["1", "1"]
    assert "Training one after the other: 1 usable core" in _shown(platform)


def test_one_that_is_missing_alone_writes_to_the_terminal_itself(
    place: Place, capfd: pytest.CaptureFixture[str]
) -> None:
    platform = place(f"{CRYPTO}.champion")
    train_first_champions(platform)
    assert capfd.readouterr().out == f"{FRAUD} speaks\n"
    assert "one after the other" not in _shown(platform)
    assert Path(f"{FRAUD}.champion").exists()


def test_nothing_is_trained_where_every_model_has_its_champion(place: Place) -> None:
    platform = place(f"{CRYPTO}.champion", f"{FRAUD}.champion")
    train_first_champions(platform)
    assert _shown(platform) == ""
    assert not Path("together").exists()


def test_a_failing_training_is_named_and_ends_the_other(place: Place) -> None:
    platform = place("meet", f"{FRAUD}.fails")
    with pytest.raises(LaunchError) as caught:
        train_first_champions(platform)
    assert f"{FRAUD} failed with exit code 1" in str(caught.value)
    whole = _shown(platform).split("All that it said:\n")[1]
    assert whole == f"{FRAUD} speaks\n{FRAUD} failed in a step; log: somewhere\n"
    assert not Path(f"{CRYPTO}.champion").exists()


def test_a_failure_of_one_after_the_other_is_an_error_too(place: Place) -> None:
    platform = place(f"{CRYPTO}.fails", training_memory_gb=1024)
    with pytest.raises(LaunchError, match="Training failed with exit code 1: see above"):
        train_first_champions(platform)
    assert not Path(f"{FRAUD}.at-work").exists()


@pytest.mark.parametrize("memory", [0.001, 1024])
def test_a_training_that_ends_without_a_champion_says_where_to_look(place: Place, memory: float) -> None:
    platform = place(f"{CRYPTO}.no-champion", training_memory_gb=memory)
    with pytest.raises(LaunchError, match=f"the {CRYPTO} run ended without a champion: the gate's page says why"):
        train_first_champions(platform)

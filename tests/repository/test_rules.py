"""The house rules hold: format, lint, types, who may import whom, and what may stand in the repository."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def _run(*command: str) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_code_is_formatted() -> None:
    _run(str(BIN / "ruff"), "format", "--check", ".")


def test_the_code_passes_the_linter() -> None:
    _run(str(BIN / "ruff"), "check", ".")


def test_the_types_are_strict() -> None:
    _run(str(BIN / "mypy"))


def test_rooms_import_only_what_they_may() -> None:
    assert "0 broken" in _run(str(BIN / "lint-imports"), "--no-cache")


def test_the_lock_names_no_path_no_host_and_no_torch() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.findall(r"https?:|file:|(?<![\w.-])/[a-z]+/|@ |--(?:index|find|extra)", lock)
    assert not re.findall(r"^(?:torch|nvidia-[\w-]+|triton)==", lock, flags=re.MULTILINE)


def test_every_line_of_the_lock_has_a_hash() -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / "requirements.lock").read_text().strip())
    assert len(entries) > 100
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []


def _tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout, so there are no tracked files to look at")
    names = _run("git", "ls-files", "-z").split("\0")
    return [ROOT / name for name in names if name and (ROOT / name).is_file()]


def test_no_tracked_file_names_a_path_of_one_machine() -> None:
    parent, home = str(ROOT.parent), str(Path.home())
    needles = [f"{path}/".encode() for path in (parent, home) if len(path) > 4]
    assert [str(file) for file in _tracked() for needle in needles if needle in file.read_bytes()] == []


def test_no_tracked_file_holds_a_secret() -> None:
    pattern = re.compile(rb"-----BEGIN (?:RSA |EC )?PRIVATE KEY|AKIA[0-9A-Z]{16}|ghp_[A-Za-z0-9]{36}")
    assert [str(file) for file in _tracked() if pattern.search(file.read_bytes())] == []


def test_make_help_lists_every_verb() -> None:
    makefile = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.MULTILINE)[0].split())
    shown = set(re.findall(r"^  make ([a-z-]+)", _run("make", "-s", "help"), flags=re.MULTILINE))
    assert phony - shown == set()


def test_the_shipped_data_stays_small() -> None:
    folder = ROOT / "components" / "crypto" / "data"
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) <= 5 * 1024 * 1024

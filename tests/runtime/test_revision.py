import shutil
import subprocess
from pathlib import Path

import pytest

from runtime.revision import code_digest, code_revision


@pytest.fixture(autouse=True)
def _forget() -> None:
    code_revision.cache_clear()
    code_digest.cache_clear()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "runtime").mkdir(parents=True)
    (root / "runtime" / "a.py").write_text("A = 1\n")
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "x"],
    ):
        subprocess.run(["git", "-C", str(root), *command], check=True)
    return root


def test_the_revision_is_the_commit_and_says_when_files_differ_from_it(checkout: Path) -> None:
    clean = code_revision(checkout)
    assert len(clean) == 40
    (checkout / "untracked.py").write_text("")
    code_revision.cache_clear()
    assert code_revision(checkout) == clean
    (checkout / "runtime" / "a.py").write_text("A = 2\n")
    code_revision.cache_clear()
    assert code_revision(checkout) == f"{clean}-dirty"


def test_without_a_checkout_the_environment_says_the_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIO_CODE_REVISION", " abc123 ")
    assert code_revision(tmp_path) == "abc123"
    monkeypatch.delenv("AIO_CODE_REVISION")
    code_revision.cache_clear()
    assert code_revision(tmp_path) == "unknown"


def test_the_digest_is_that_of_the_sources_wherever_they_lie(checkout: Path, tmp_path: Path) -> None:
    first = code_digest(checkout)
    assert len(first) == 64
    copy = tmp_path / "elsewhere"
    shutil.copytree(checkout, copy)
    (copy / "runtime" / "__pycache__").mkdir()
    (copy / "runtime" / "__pycache__" / "a.cpython-311.pyc").write_bytes(b"x")
    (copy / "runtime" / "__pycache__" / "a.py").write_text("no source")
    (copy / "docs.md").write_text("not code")
    assert code_digest(copy) == first


@pytest.mark.parametrize("change", ["edit", "rename", "add"])
def test_the_digest_changes_with_any_change_of_the_sources(checkout: Path, change: str) -> None:
    first = code_digest(checkout)
    source = checkout / "runtime" / "a.py"
    if change == "edit":
        source.write_text("A = 2\n")
    elif change == "rename":
        source.rename(source.with_name("b.py"))
    else:
        source.with_name("schema.sql").write_text("")
    code_digest.cache_clear()
    assert code_digest(checkout) != first


def test_this_repository_has_a_digest() -> None:
    assert len(code_digest()) == 64

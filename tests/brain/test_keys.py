"""Where keys are kept: one contract for SQLite and PostgreSQL, and the command line."""

import contextlib
import json
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from brain.security.keys import ApiKey, KeyNotFoundError, KeyStoreError, open_key_store
from runtime.api_keys import generate_key, hash_key, verify

NOW = datetime(2026, 3, 1, 12, 30, 15, 123456, tzinfo=UTC)


@pytest.fixture
def store(database_url: str) -> Iterator[Any]:
    with contextlib.closing(open_key_store(database_url)) as opened:
        yield opened


def key(number: int, *scopes: str, **times: datetime) -> tuple[ApiKey, str]:
    found = ApiKey(f"key_{number:012x}", f"name {number}", frozenset(scopes), NOW + timedelta(seconds=number), **times)
    return found, hash_key(f"plain {number}")


def test_a_key_comes_back_as_it_was_kept(store: Any) -> None:
    kept, digest = key(1, "predict", "status", expires_at=NOW + timedelta(days=3))
    store.add(kept, digest)
    assert store.by_digest(digest) == kept
    assert store.by_id(kept.id) == kept


def test_what_is_not_there_is_none(store: Any) -> None:
    assert store.by_digest(hash_key("nothing")) is None
    assert store.by_id("key_none") is None
    assert store.all() == []


def test_keys_are_listed_oldest_first(store: Any) -> None:
    for number in (3, 1, 2):
        store.add(*key(number, "predict"))
    assert [found.name for found in store.all()] == ["name 1", "name 2", "name 3"]


def test_a_revoked_key_keeps_the_time_of_its_first_revocation(store: Any) -> None:
    kept, digest = key(1, "predict")
    store.add(kept, digest)
    assert store.revoke(kept.id, NOW).revoked_at == NOW
    assert store.revoke(kept.id, NOW + timedelta(days=1)).revoked_at == NOW
    assert not store.by_digest(digest).is_active(NOW + timedelta(seconds=1))


def test_revoking_what_is_not_there_says_how_to_find_it(store: Any) -> None:
    with pytest.raises(KeyNotFoundError, match="keys list"):
        store.revoke("key_none", NOW)


def test_the_same_id_is_not_kept_twice(store: Any) -> None:
    store.add(*key(1, "predict"))
    with pytest.raises(KeyStoreError):
        store.add(*key(1, "predict"))
    assert len(store.all()) == 1


def test_a_second_process_sees_what_the_first_kept(database_url: str, store: Any) -> None:
    kept, digest = key(1, "predict")
    store.add(kept, digest)
    with contextlib.closing(open_key_store(database_url)) as other:
        assert other.by_digest(digest) == kept
        other.revoke(kept.id, NOW)
    assert store.by_id(kept.id).revoked_at == NOW


def test_threads_may_share_a_store(store: Any) -> None:
    threads = [Thread(target=lambda n=n: store.add(*key(n, "predict"))) for n in range(1, 21)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.all()) == 20


def test_a_closed_or_vanished_store_says_so(tmp_path: Path) -> None:
    store = open_key_store(f"sqlite:///{tmp_path / 'brain.db'}")
    store.close()
    with pytest.raises(KeyStoreError, match="does not answer"):
        store.all()
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(KeyStoreError, match="cannot be opened"):
        open_key_store(f"sqlite:///{tmp_path / 'folder.db'}")


def test_postgresql_that_goes_away_is_an_error_without_its_address_and_heals(postgres_database: str) -> None:
    import psycopg

    with contextlib.closing(open_key_store(postgres_database)) as store:
        store.add(*key(1, "predict"))
        with psycopg.connect(postgres_database, autocommit=True) as other:
            ours = "datname = current_database() AND pid <> pg_backend_pid()"
            other.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")
        with pytest.raises(KeyStoreError) as raised:
            store.all()
        assert "127.0.0.1" not in str(raised.value)
        assert len(store.all()) == 1


def test_the_sqlite_file_is_its_owners_alone_and_commits_reach_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "brain.db"
    with contextlib.closing(open_key_store(f"sqlite:///{path}")) as store:
        store.add(*key(1, "predict"))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        with contextlib.closing(sqlite3.connect(path)) as other:
            assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_keys_are_random_recognisable_and_kept_as_a_hash() -> None:
    plain, digest = generate_key()
    assert plain.startswith("aio_") and len(plain) > 40
    assert plain not in digest and verify(plain, digest) and not verify(plain + "x", digest)
    assert generate_key()[0] != plain


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    """Runs `python -m brain …` in this process: exit code, what it printed, what it said aside."""
    from brain.__main__ import main

    monkeypatch.setenv("BRAIN_DATABASE_URL", f"sqlite:///{tmp_path / 'brain.db'}")

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(["keys", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_the_command_line_prints_a_key_once_and_keeps_only_its_hash(run: Callable[..., Any], tmp_path: Path) -> None:
    code, plain, aside = run("create", "--name", "desk", "--scope", "predict", "--scope", "status", "--days", "2")
    assert code == 0 and plain.strip().startswith("aio_") and plain.count("\n") == 1
    assert "desk" in aside and plain.strip() not in aside
    rows = json.loads(run("list", "--json")[1])
    assert [(row["name"], row["scopes"], row["state"]) for row in rows] == [("desk", ["predict", "status"], "active")]
    for file in tmp_path.iterdir():
        assert plain.strip().encode() not in file.read_bytes()


def test_the_command_line_lists_and_revokes(run: Callable[..., Any]) -> None:
    assert "there are no keys" in run("list")[2]
    run("create", "--name", "desk", "--scope", "admin")
    key_id = json.loads(run("list", "--json")[1])[0]["id"]
    assert run("revoke", key_id)[0] == 0
    assert "revoked" in run("list")[1]
    code, _, aside = run("revoke", "key_none")
    assert code == 1 and "keys list" in aside


@pytest.mark.parametrize(
    "arguments",
    [("--name", "x"), ("--scope", "root"), ("--scope", "predict", "--name", ""), ("--scope", "predict", "--days", "0")],
    ids=["no scope", "unknown scope", "no name", "no life"],
)
def test_the_command_line_refuses_what_makes_no_key_and_says_why(
    run: Callable[..., Any], arguments: tuple[str, ...]
) -> None:
    code, out, aside = run("create", *arguments)
    assert code == 1 and out == "" and aside
    assert json.loads(run("list", "--json")[1]) == []


def test_a_store_survives_kill_9_in_the_midst_of_writing(tmp_path: Path) -> None:
    path = tmp_path / "brain.db"
    script = (
        "import sys\nfrom datetime import UTC, datetime\nfrom brain.security.keys import ApiKey, open_key_store\n"
        "store = open_key_store(sys.argv[1])\n"
        "for n in range(100000):\n"
        "    store.add(ApiKey(f'key_{n}', 'n', frozenset({'predict'}), datetime.now(UTC)), f'digest {n}')\n"
        "    print(n, flush=True)\n"
    )
    command = [sys.executable, "-c", script, f"sqlite:///{path}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        promised = [int(process.stdout.readline()) for _ in range(30)]
        process.kill()
        promised += [int(line) for line in process.stdout if line.endswith("\n")]
    with contextlib.closing(open_key_store(f"sqlite:///{path}")) as store:
        kept = {found.id for found in store.all()}
        assert {f"key_{n}" for n in promised} <= kept
        with contextlib.closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)

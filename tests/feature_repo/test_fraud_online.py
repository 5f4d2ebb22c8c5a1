import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from feature_repo import fraud
from feature_repo.fraud_online import CardStatesMissingError, FeastCardStates, StateStoreUnavailableError
from feature_repo.store import apply, open_store


@pytest.fixture
def states(state: Path) -> FeastCardStates:
    apply(open_store())
    return FeastCardStates()


def test_states_come_back_to_the_bit_in_the_order_asked(states: FeastCardStates) -> None:
    states.write({"C1": (b"\x00\xffone", 7), "C2": (b"two", -1)}, {"C1": (b"a terminal", 7)})
    customers, terminals = states.read(["C2", "C9", "C1", "C2"], ["C1", "T9"])
    assert customers == [b"two", None, b"\x00\xffone", b"two"]
    assert terminals == [b"a terminal", None]
    assert states.read([], []) == ([], [])


def test_a_written_state_takes_the_place_of_the_old_one(states: FeastCardStates) -> None:
    states.write({"C1": (b"old", 9)}, {})
    states.write({"C1": (b"new", 3), "C2": (b"", 0)}, {})
    assert states.read(["C1"], []) == ([b"new"], [])


def test_states_are_those_of_one_digest(states: FeastCardStates, monkeypatch: pytest.MonkeyPatch) -> None:
    states.write({"C1": (b"first", 1)}, {})
    first = fraud.card_feature_digest()
    monkeypatch.setattr(fraud, "DEFINITION_VERSION", fraud.DEFINITION_VERSION + 1)
    with pytest.raises(CardStatesMissingError, match="components.fraud.feature_writer"):
        FeastCardStates()
    apply(open_store())
    second = FeastCardStates()
    assert second.read(["C1"], []) == ([None], [])
    second.write({"C1": (b"second", 1)}, {})
    assert FeastCardStates(first).read(["C1"], []) == ([b"first"], [])


def test_a_store_that_lost_its_tables_says_so(states: FeastCardStates, state: Path) -> None:
    (state / "feast" / "online.db").unlink()
    with pytest.raises(StateStoreUnavailableError, match="is it up"):
        FeastCardStates().read(["C1"], [])


def test_readers_pass_a_writer_that_holds_the_file(states: FeastCardStates, state: Path) -> None:
    states.write({"C1": (b"state", 1)}, {})
    states.let_readers_pass()
    states.let_readers_pass()
    with closing(sqlite3.connect(state / "feast" / "online.db", isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        assert FeastCardStates().read(["C1"], []) == ([b"state"], [])


def test_a_reader_of_states_imports_no_offline_store(states: FeastCardStates) -> None:
    code = (
        "import sys, feature_repo.fraud_online as online\n"
        "assert not {'feast', 'pandas', 'numpy'} & set(sys.modules)\n"
        "assert online.FeastCardStates().read(['C1'], ['T1']) == ([None], [None])\n"
        "print({'duckdb', 'ibis', 'dask', 'google.cloud.bigquery', 'pyspark'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "set()"), done.stderr


def test_states_stand_in_redis_in_production(production: Path) -> None:
    apply(open_store("production"))
    states = FeastCardStates(profile="production")
    many = {f"C{number}": (bytes([number % 256]) * 2000, number) for number in range(300)}
    states.write(many, {"T1": (b"terminal", 5)})
    customers, terminals = FeastCardStates(profile="production").read(list(many), ["T1", "T2"])
    assert customers == [state for state, _ in many.values()]
    assert terminals == [b"terminal", None]
    assert [path for path in production.rglob("*") if path.is_file()] == []


def test_a_redis_that_is_down_is_told_at_once(production: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apply(open_store("production"))
    monkeypatch.setenv("FEATURES_REDIS", "127.0.0.1:1")
    states = FeastCardStates(profile="production")
    with pytest.raises(StateStoreUnavailableError, match="did not answer"):
        states.read(["C1"], [])
    with pytest.raises(StateStoreUnavailableError, match="took no states"):
        states.write({"C1": (b"state", 1)}, {})

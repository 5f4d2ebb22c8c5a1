"""Kill -9, SIGSTOP and SIGTERM of worker processes, on both databases, against an upstream that counts calls."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from brain.runs import TERMINAL, NewRun, NewTask, Run
from brain.runs.ids import new_run_id
from brain.runs.store import SqlRunStore
from tests.support import mortal

CHAIN = (
    NewTask("a", "next", {"number": 0}),
    NewTask("b", "next", {"number": "${tasks.a.result.number}"}, ("a",)),
    NewTask("c", "next", {"number": "${tasks.b.result.number}"}, ("b",)),
)
RECORDS = 5
"""Of a worker that carries the chain out: the claim, an intent, a result with the next intent twice, and the end."""

DEATHS = [(when, number) for number in range(1, RECORDS + 1) for when in ("before", "after")]


@pytest.fixture
def upstream() -> Iterator[Any]:
    made = mortal.Upstream()
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def new_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], str]]:
    """A function that makes a database of its own for each case."""
    made: list[str] = []
    if request.param == "sqlite":

        def sqlite() -> str:
            made.append("")
            return f"sqlite:///{tmp_path / f'runs{len(made)}.db'}"

        yield sqlite
        return
    import psycopg

    server = request.getfixturevalue("postgres_url")
    with psycopg.connect(server, autocommit=True) as connection:

        def postgres() -> str:
            name = f"{Path(tmp_path).name[:20].lower().replace('-', '_')}_{os.getpid()}_{len(made)}"
            connection.execute(f'CREATE DATABASE "{name}"')
            made.append(name)
            return f"{server.rpartition('/')[0]}/{name}"

        yield postgres
        for name in made:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def opened(url: str) -> Iterator[SqlRunStore]:
    store = SqlRunStore(url)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def working(url: str, upstream: Any, death: Any = None, **settings: Any) -> Iterator[Any]:
    process = mortal.start(url, upstream.url, death, **settings)
    try:
        yield process
    finally:
        mortal.kill(process)


def accept(store: SqlRunStore, *tasks: NewTask, **more: Any) -> Run:
    given = {"kind": "orchestration", "owner": "ann", "request": {}, "request_digest": "d", **more}
    return store.create(NewRun(new_run_id(), tasks=tasks, **given))


def wait(look: Callable[[], Any], true: Callable[[Any], bool], what: str, seconds: float = 45.0) -> Any:
    until = time.monotonic() + seconds
    while not true(found := look()):
        if time.monotonic() > until:
            raise TimeoutError(f"{what} did not come true within {seconds} s: {found}")
        time.sleep(0.03)
    return found


def ended(store: SqlRunStore, run_id: str) -> Run:
    return wait(lambda: store.get(run_id), lambda run: run.state in TERMINAL, f"the end of {run_id}")


@dataclass
class Case:
    """A run on a database of its own, whose first worker is killed at a record."""

    death: Any
    url: str
    run_id: str = ""
    first: Any = None
    at_death: dict[str, str] = field(default_factory=dict)

    def wrong(self, upstream: Any) -> str:
        """What is wrong with what came of it once a second worker has ended it; empty where nothing is."""
        with opened(self.url) as store:
            last, tasks = ended(store, self.run_id), store.tasks(self.run_id)
        calls = upstream.of(self.run_id)
        most = {name: 2 if state == "running" else 1 for name, state in self.at_death.items()}
        found = [f"{name} was called {calls.get(name)} times" for name in most if not 1 <= calls[name] <= most[name]]
        if [task.result for task in tasks] != [{"number": 1}, {"number": 2}, {"number": 3}]:
            found.append(f"results are {[task.result for task in tasks]}")
        if (last.state, last.spent_minor) != ("succeeded", 3):
            found.append(f"the run has {last.state} and cost {last.spent_minor}")
        if any(task.lost != (self.at_death[task.id] == "running") for task in tasks):
            found.append(f"lost starts are {[task.lost for task in tasks]}")
        return "; ".join(found)


def test_a_worker_that_is_killed_at_any_record_loses_nothing_and_calls_no_recorded_step_again(
    new_database: Callable[[], str], upstream: Any
) -> None:
    cases = [Case(death, new_database()) for death in DEATHS]
    for case in cases:
        with opened(case.url) as store:
            case.run_id = accept(store, *CHAIN).id
    with ExitStack() as stack:
        for case in cases:
            case.first = stack.enter_context(working(case.url, upstream, case.death, lease_seconds=3.0))
        for case in cases:
            case.first.join(45)
            assert case.first.exitcode == -signal.SIGKILL, f"{case.death}: it was not killed"
    for case in cases:
        with opened(case.url) as store:
            case.at_death = {task.id: task.state for task in store.tasks(case.run_id)}
    with ExitStack() as stack:
        for case in cases:
            stack.enter_context(working(case.url, upstream, lease_seconds=3.0))
        wrong = {case.death: case.wrong(upstream) for case in cases}
    assert wrong == dict.fromkeys(DEATHS, "")
    assert {tuple(case.at_death.values()) for case in cases} == {
        ("waiting", "waiting", "waiting"),
        ("running", "waiting", "waiting"),
        ("succeeded", "running", "waiting"),
        ("succeeded", "succeeded", "running"),
        ("succeeded", "succeeded", "succeeded"),
    }


def test_the_chain_takes_as_many_records_as_workers_are_killed_at(
    new_database: Callable[[], str], upstream: Any
) -> None:
    """Otherwise deaths would be missing from the test above."""
    url = new_database()
    with opened(url) as store, working(url, upstream, ("after", RECORDS)) as process:
        run = accept(store, *CHAIN)
        process.join(45)
        assert process.exitcode == -signal.SIGKILL and store.get(run.id).state == "succeeded"


def test_a_worker_that_is_killed_during_calls_leaves_them_to_the_next_and_paid_ones_unknown(
    new_database: Callable[[], str], upstream: Any
) -> None:
    url = new_database()
    upstream.holding = {"a", "paid", "again"}
    tasks = (
        NewTask("a", "next", {"number": 0}),
        NewTask("paid", "buy", {"number": 0}),
        NewTask("again", "buy", {"number": 0}, options={"on_unknown": "retry"}),
        NewTask("done", "next", {"number": 4}),
    )
    with opened(url) as store:
        run = accept(store, *tasks)
        with working(url, upstream) as process:
            wait(lambda: upstream.of(run.id), lambda calls: len(calls) == 4, "four calls")
            wait(lambda: store.tasks(run.id)[3].state, lambda state: state == "succeeded", "the fourth's result")
            os.kill(process.pid, signal.SIGKILL)
            process.join(10)
        with working(url, upstream):
            last = ended(store, run.id)
        states = {task.id: task.state for task in store.tasks(run.id)}
    assert states == {"a": "succeeded", "paid": "outcome_unknown", "again": "succeeded", "done": "succeeded"}
    assert (last.state, last.reason.partition(":")[0]) == ("failed", "outcome_unknown")
    assert upstream.of(run.id) == {"a": 2, "paid": 1, "again": 2, "done": 1}


def test_a_worker_that_was_stopped_and_wakes_commits_nothing_and_calls_nobody(
    postgres_database: str, upstream: Any
) -> None:
    upstream.holding = {"a"}
    with opened(postgres_database) as store, ExitStack() as stack:
        run = accept(store, *CHAIN)
        asleep = stack.enter_context(working(postgres_database, upstream))
        wait(lambda: upstream.of(run.id), lambda calls: calls == {"a": 1}, "the first call")
        os.kill(asleep.pid, signal.SIGSTOP)
        stack.enter_context(working(postgres_database, upstream))
        done = ended(store, run.id)
        history = store.events(run.id, limit=1000)
        os.kill(asleep.pid, signal.SIGCONT)
        upstream.go.set()  # the sleeper's call is answered, too
        time.sleep(2.0)
        assert asleep.is_alive(), "it lost one run, and goes on"
        assert store.get(run.id) == done and store.events(run.id, limit=1000) == history
        assert (done.state, done.epoch) == ("succeeded", 2)
        assert upstream.of(run.id) == {"a": 2, "b": 1, "c": 1}


def test_a_second_worker_on_one_sqlite_file_is_refused(tmp_path: Path, upstream: Any) -> None:
    url = f"sqlite:///{tmp_path / 'runs.db'}"
    with opened(url) as store, working(url, upstream):
        wait(store.seen_workers, bool, "the first worker")
        with working(url, upstream) as second:
            second.join(20)
            assert second.exitcode == 1


def test_two_worker_processes_share_one_postgresql_and_do_no_run_twice(postgres_database: str, upstream: Any) -> None:
    with opened(postgres_database) as store, ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(working(postgres_database, upstream, lease_seconds=10.0, places=3))
        wait(store.seen_workers, lambda seen: len(seen) == 2, "two workers")
        upstream.holding = {"a"}
        runs = [accept(store, *CHAIN, owner=f"caller{number % 3}") for number in range(30)]
        wait(lambda: len(upstream.calls), lambda calls: calls == 6, "the places of both, taken")
        upstream.go.set()
        for run in runs:
            assert ended(store, run.id).epoch == 1
        assert all(upstream.of(run.id) == {"a": 1, "b": 1, "c": 1} for run in runs)


def test_a_worker_that_is_told_to_end_loses_nothing_and_calls_nothing_twice(
    new_database: Callable[[], str], upstream: Any
) -> None:
    url = new_database()
    with opened(url) as store:
        runs = [accept(store, *CHAIN) for _ in range(20)]
        with working(url, upstream, lease_seconds=30.0) as process:
            wait(lambda: sum(upstream.calls.values()), lambda calls: calls >= 12, "some calls")
            os.kill(process.pid, signal.SIGTERM)
            process.join(20)
            assert process.exitcode == 0
        open_ones = [run for run in runs if store.get(run.id).state not in TERMINAL]
        assert open_ones, "it ended before it was told to"
        assert all(task.state != "running" for run in runs for task in store.tasks(run.id))
        with working(url, upstream):
            for run in runs:
                assert ended(store, run.id).state == "succeeded"
    assert set(upstream.calls.values()) == {1} and len(upstream.calls) == 60

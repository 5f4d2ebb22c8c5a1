"""What becomes of runs when workers are stopped, die or are replaced, by DBOS and by our own store."""

import contextlib
import signal
import tempfile
import time
from collections.abc import Iterator

from bench.durable.child import Calls, Child, last_place, wait_for
from bench.durable.databases import Server, empty_database

Finding = tuple[str, str]
_MANY, _FEW = 40, 5


@contextlib.contextmanager
def _place(server: Server | None) -> Iterator[tuple[str, str, Calls]]:
    with empty_database(server) as url, tempfile.TemporaryDirectory() as folder:
        yield url, folder, Calls(folder)


def _dbos(url: str, executor: str, folder: str, version: str = "ours", order: str = "abc") -> Child:
    return Child("bench.durable.dbos_worker", url, executor, version, folder, order)


def stopped_dbos(server: Server | None) -> Iterator[Finding]:
    """SIGSTOP within a step, adoption by another, SIGCONT while that one is within the same step."""
    with _place(server) as (url, folder, calls), _dbos(url, "x", folder) as x, _dbos(url, "y", folder) as y:
        x.ask("start", "r", None, None)
        wait_for(lambda: "b x" in calls.seen())
        x.signal(signal.SIGSTOP)
        calls.open_gate("x")
        time.sleep(10)
        yield "adopted by itself within 10 s", "no" if "b y" not in calls.seen() else "yes"
        y.ask("adopt", "x")
        yield "adopted by the private call, after s", f"{wait_for(lambda: 'b y' in calls.seen()):.1f}"
        x.signal(signal.SIGCONT)
        time.sleep(3)
        late = [name for name, _ in y.ask("recorded", "r")]  # type: ignore[union-attr]
        yield "the woken worker recorded its step", "yes" if len(late) > 1 else "no"
        yield "the woken worker called the next step", "yes" if "c x" in calls.seen() else "no"
        calls.open_gate("y")
        wait_for(lambda: y.ask("status", "r")["state"] == "SUCCESS")  # type: ignore[index]
        yield "result in the end", str(y.ask("status", "r")["result"])  # type: ignore[index]


def stopped_own(server: Server | None) -> Iterator[Finding]:
    """The same with our store, leases of one second."""
    with (
        _place(server) as (url, folder, calls),
        Child("bench.durable.own_worker", url, "x", folder) as x,
        Child("bench.durable.own_worker", url, "y", folder) as y,
    ):
        x.ask("start", "r")
        x.ask("work")
        wait_for(lambda: "b x" in calls.seen())
        x.signal(signal.SIGSTOP)
        calls.open_gate("x")
        y.ask("work")
        yield "adopted by itself, after s (lease 1 s)", f"{wait_for(lambda: 'b y' in calls.seen()):.1f}"
        x.signal(signal.SIGCONT)
        time.sleep(3)
        late = [name for name, _ in y.ask("recorded", "r")]  # type: ignore[union-attr]
        yield "the woken worker recorded its step", "yes" if len(late) > 1 else "no"
        yield "the woken worker called the next step", "yes" if "c x" in calls.seen() else "no"
        yield "what it was told", str(x.ask("refused"))
        calls.open_gate("y")
        wait_for(lambda: y.ask("state", "r") == "succeeded")
        yield "result in the end", str(y.ask("recorded", "r"))


def stalled_own(server: Server | None) -> Iterator[Finding]:
    """SIGSTOP within a transaction: whether others can write meanwhile."""
    with (
        _place(server) as (url, folder, calls),
        Child("bench.durable.own_worker", url, "x", folder) as x,
        Child("bench.durable.own_worker", url, "y", folder) as y,
    ):
        x.ask("stall")
        wait_for(lambda: "writing x" in calls.seen())
        x.signal(signal.SIGSTOP)
        took = y.ask("create_within", "r", 40)
        yield "a run of another process was accepted after s", "not within 40" if took is None else f"{took:.1f}"


def _died(url: str, folder: str, calls: Calls, cancelled: bool) -> dict[str, object]:
    """A run of a queue with a deadline, its worker killed within step b; its status before."""
    with _dbos(url, "x", folder) as x:
        x.ask("start", "r", "queue", 3600)
        wait_for(lambda: "b x" in calls.seen())
        before = x.ask("status", "r")
        if cancelled:
            x.ask("cancel", "r")
        x.signal(signal.SIGKILL)
    assert isinstance(before, dict)
    return before


def adoption_dbos(server: Server | None) -> Iterator[Finding]:
    """What adoption keeps of a run whose worker was killed."""
    for how in ("adopt", "resume"):
        for cancelled in (False, True):
            with _place(server) as (url, folder, calls):
                before = _died(url, folder, calls, cancelled)
                with _dbos(url, "y", folder) as y:
                    y.ask(how, "x" if how == "adopt" else "r")
                    time.sleep(3)
                    told = _told(y.ask("status", "r"), before)
                    was = "cancelled" if cancelled else "running"
                    yield (
                        f"{was}, {'the private call' if how == 'adopt' else how}",
                        f"{told}; b called {_times(calls, 'b')}",
                    )


def _told(status: object, before: dict[str, object]) -> str:
    assert isinstance(status, dict)
    fates = {one: _fate(before[one], status[one]) for one in ("queue", "deadline", "deduplication")}
    return ", ".join([str(status["state"]), *(f"{one} {fate}" for one, fate in fates.items())])


def _fate(before: object, after: object) -> str:
    if after is None:
        return "gone"
    return "kept" if after == before else "another"


def _times(calls: Calls, name: str) -> str:
    return f"{sum(one.startswith(name) for one in calls.seen())} times"


def adoption_own(server: Server | None) -> Iterator[Finding]:
    """What our store keeps."""
    for cancelled in (False, True):
        with _place(server) as (url, folder, calls):
            with Child("bench.durable.own_worker", url, "x", folder) as x:
                x.ask("start", "r")
                x.ask("work")
                wait_for(lambda: "b x" in calls.seen())
                if cancelled:
                    x.ask("cancel", "r")
                x.signal(signal.SIGKILL)
            calls.open_gate("y")
            with Child("bench.durable.own_worker", url, "y", folder) as y:
                y.ask("work")
                wait_for(lambda: y.ask("state", "r") in ("succeeded", "cancelled"))
                was = "cancelled" if cancelled else "running"
                yield f"{was}, lease ended", f"{y.ask('state', 'r')}; b called {_times(calls, 'b')}"


def deadline_dbos(server: Server | None) -> Iterator[Finding]:
    """A limit of one second on a run that waits in a queue for three."""
    with _place(server) as (url, folder, _), _dbos(url, "x", folder) as x:
        x.ask("start", "r", "nobody-serves", 1)
        time.sleep(3)
        status = x.ask("status", "r")
        yield "after 3 s in the queue, limit 1 s", f"{status['state']}, deadline {status['deadline']}"  # type: ignore[index]


def upgrade_dbos(server: Server | None) -> Iterator[Finding]:
    """A new application version, and the same version with a step put before the others."""
    for version, order, what in (("v2", "abc", "another version"), ("v1", "xabc", "same version, a step more")):
        with _place(server) as (url, folder, calls):
            with _dbos(url, "x", folder, "v1") as x:
                x.ask("start", "r", None, None)
                wait_for(lambda: "b x" in calls.seen())
                x.signal(signal.SIGKILL)
            calls.open_gate("x")
            with _dbos(url, "x", folder, version, order) as after:
                time.sleep(6)
                status = after.ask("status", "r")
                yield what, f"{status['state']} {status['error'] or ''}; calls: {', '.join(calls.seen())}"  # type: ignore[index]


def fair(server: Server | None) -> Iterator[Finding]:
    """Where bob's last run stands who comes with few after ann has put many."""
    with _place(server) as (url, folder, _), _dbos(url, "x", folder) as x:
        for partitioned in (False, True):
            place = last_place(x.ask("share", _MANY, _FEW, partitioned), "bob")  # type: ignore[arg-type]
            yield f"DBOS, {'a partition a caller' if partitioned else 'one queue'}", f"{place} of {_MANY + _FEW}"
    with _place(server) as (url, folder, _), Child("bench.durable.own_worker", url, "x", folder) as x:
        place = last_place(x.ask("share", _MANY, _FEW), "bob")  # type: ignore[arg-type]
        yield "own", f"{place} of {_MANY + _FEW}"


def waiting(server: Server | None) -> Iterator[Finding]:
    """What it costs to wait, and how long an idle queue takes."""
    with _place(server) as (url, folder, _), _dbos(url, "x", folder) as x:
        yield "CPU ms a second, idle", f"{1e3 * float(x.ask('idle', 10)):.1f}"  # type: ignore[arg-type]
        yield "threads", str(x.ask("threads"))
        yield "s until a run of an idle queue begins", f"{x.ask('latency', 8):.2f}"

"""Whose run is next.

Callers share the workers by start-time fair queueing (Goyal, Vin and Cheng, 1996), all runs being as long: a run
that is begun for a caller moves the caller's virtual time by 1/weight, and the one whose time is least is next. The
store's own virtual time is that of the run that was begun last, and a caller that comes back begins there: nobody saves
up turns. Within a caller the highest class goes first, and ten minutes of waiting count as a class.
"""

from collections.abc import Sequence

from sqlalchemy import Connection

from brain.runs.port import PRIORITIES
from brain.runs.rows import AnyRow
from brain.runs.statements import STORE, execute, execute_each, first_of_each_class, keep_turn, waiting_owners

AGEING_US = 10 * 60 * 1_000_000
"""Waiting that counts as one class of priority."""


def next_queued(connection: Connection, kinds: tuple[str, ...], now_us: int) -> AnyRow | None:
    """The row of the run that is to begin, its caller's turn taken; None where none waits."""
    known = {row.owner: row for row in execute(connection, waiting_owners(kinds), {})}
    store = known.pop(STORE)
    if not known:
        return None
    owner = _turn(connection, list(known.values()), store.served or 0.0)
    # Within a class whoever came first is next, so one of each is enough to choose from.
    firsts = execute(connection, first_of_each_class(kinds), {"of_owner": owner}).all()
    # Ageing makes everybody older at the same pace, so the order among those that wait is that of `_aged`, until the
    # highest class is reached by age: beyond it only the time of arrival counts.
    oldest_of_top = now_us - AGEING_US * (len(PRIORITIES) - 1)
    top = [row for row in firsts if _aged(row) <= oldest_of_top]
    return min(top or firsts, key=lambda row: (row.created_us if top else _aged(row), row.id))


def _aged(row: AnyRow) -> int:
    return int(row.created_us - AGEING_US * row.priority)


def _turn(connection: Connection, waiting: Sequence[AnyRow], now: float) -> str:
    served = {row.owner: now if row.served is None else row.served for row in waiting}
    chosen = min(waiting, key=lambda row: (max(now, served[row.owner]), served[row.owner], row.owner))
    start = max(now, served[chosen.owner])
    times = {chosen.owner: start + 1.0 / (chosen.weight or 1.0), STORE: start}
    execute_each(connection, keep_turn, [{"of_owner": owner, "time": time} for owner, time in times.items()])
    return str(chosen.owner)

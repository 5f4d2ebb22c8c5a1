"""Whose run is next.

Callers share the workers by start-time fair queueing (Goyal, Vin and Cheng, 1996), all runs being as long: a run
that is begun for a caller moves the caller's virtual time by 1/weight, and the one whose time is least is next. The
store's own virtual time is that of the run that was begun last, and a caller that comes back begins there: nobody saves
up turns. Within a caller the highest class goes first, and ten minutes of waiting count as a class.
"""

from sqlalchemy import Connection, insert, select, update

from brain.runs.port import PRIORITIES
from brain.runs.rows import AnyRow
from brain.runs.schema import owners, runs

AGEING_US = 10 * 60 * 1_000_000
"""Waiting that counts as one class of priority."""

_STORE = ""
"""Stands among the owners for the store's own virtual time; no caller has an empty name."""


def next_queued(connection: Connection, kinds: list[str], now_us: int) -> AnyRow | None:
    """The row of the run that is to begin, its caller's turn taken; None where none waits."""
    waits = (runs.c.state == "queued") & runs.c.kind.in_(kinds)
    waiting = list(connection.scalars(select(runs.c.owner).where(waits).distinct()))
    if not waiting:
        return None
    owner = _turn(connection, waiting)
    aged = runs.c.created_us - AGEING_US * runs.c.priority
    # Ageing makes everybody older at the same pace, so the order among those that wait is that of `aged`, until the
    # highest class is reached by age: beyond it only the time of arrival counts.
    oldest_of_top = now_us - AGEING_US * (len(PRIORITIES) - 1)
    mine = select(runs).where(waits, runs.c.owner == owner)
    top = mine.where(aged <= oldest_of_top).order_by(runs.c.created_us, runs.c.id).limit(1)
    return connection.execute(top).first() or connection.execute(mine.order_by(aged, runs.c.id).limit(1)).first()


def _turn(connection: Connection, waiting: list[str]) -> str:
    asked = select(owners).where(owners.c.owner.in_([*waiting, _STORE]))
    known = {row.owner: row for row in connection.execute(asked)}
    now = known[_STORE].served if _STORE in known else 0.0
    served = {owner: known[owner].served if owner in known else now for owner in waiting}
    chosen = min(waiting, key=lambda owner: (max(now, served[owner]), served[owner], owner))
    start = max(now, served[chosen])
    weight = known[chosen].weight if chosen in known else 1.0
    for owner, time in ((chosen, start + 1.0 / weight), (_STORE, start)):
        if owner in known:
            connection.execute(update(owners).where(owners.c.owner == owner).values(served=time))
        else:
            connection.execute(insert(owners), {"owner": owner, "weight": 1.0, "served": time})
    return chosen

"""What each step of a run does to the database, written by SQLAlchemy once and given to the driver as text.

Building such a statement anew costs several times what SQLite spends on running it.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    CursorResult,
    Executable,
    FromClause,
    Insert,
    Update,
    bindparam,
    case,
    false,
    func,
    insert,
    literal_column,
    null,
    or_,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite

from brain.runs.doorbell import CHANNEL
from brain.runs.port import PRIORITIES
from brain.runs.schema import events, owners, runs, tasks

STORE = ""
"""Stands among the owners for the store's own virtual time; no caller has an empty name."""

Values = Mapping[str, object]
Statement = Callable[[str], Executable]
"""A statement for a dialect, with names for what is bound."""

_DIALECTS = {"sqlite": pysqlite.dialect(paramstyle="named"), "postgresql": psycopg.dialect()}  # type: ignore[no-untyped-call]


def execute(connection: Connection, statement: Statement, values: Values) -> CursorResult[Any]:
    """Run a statement."""
    text, fixed = _compiled(statement, connection.dialect.name)
    return connection.exec_driver_sql(text, {**fixed, **values})


def execute_each(connection: Connection, statement: Statement, rows: Sequence[Values]) -> CursorResult[Any]:
    """Run a statement that returns nothing once for each row; its `rowcount` is that of all."""
    text, fixed = _compiled(statement, connection.dialect.name)
    return connection.exec_driver_sql(text, [{**fixed, **values} for values in rows])


@cache
def _compiled(statement: Statement, dialect: str) -> tuple[str, Values]:
    compiled = statement(dialect).compile(dialect=_DIALECTS[dialect])  # type: ignore[attr-defined]
    return str(compiled), {name: bind.value for bind, name in compiled.bind_names.items() if not bind.required}


def _new(column: Column[Any]) -> ColumnElement[Any]:
    return bindparam(f"new_{column.name}", type_=column.type)


def _unless_null(*columns: Column[Any]) -> dict[str, ColumnElement[Any]]:
    return {column.name: func.coalesce(_new(column), column) for column in columns}


def _added(*columns: Column[Any]) -> dict[str, ColumnElement[Any]]:
    return {column.name: column + _new(column) for column in columns}


_now_us = bindparam("now_us", type_=runs.c.lease_until_us.type)


# As literals: only then may a database use the index that is kept for such rows alone.
_held = runs.c.state.in_([literal_column("'running'"), literal_column("'cancelling'")])


def _waits(table: FromClause) -> ColumnElement[bool]:
    return table.c.state == literal_column("'queued'")


def _of(table: FromClause, kinds: tuple[str, ...]) -> ColumnElement[bool]:
    # Within a function, so that no index by kind is taken, which would lead through the whole queue.
    kind = func.coalesce(table.c.kind, literal_column("''"))
    return or_(*(kind == one for one in kinds)) if kinds else false()


def _mine() -> Update:
    mine = (runs.c.id == bindparam("run_id")) & (runs.c.epoch == bindparam("epoch_held"))
    return update(runs).where(mine, _held, runs.c.holder.is_not(None), runs.c.lease_until_us > _now_us)


CHANGING = ("state", "reason", "progress", "started_us", "finished_us", "spent_minor", "spent_seconds")
"""What of a run's row changes after it was claimed; its result stands once it has ended."""


def hold(_dialect: str) -> Executable:
    """Hold a run that is held under an epoch until another moment."""
    lease = {"lease_until_us": _new(runs.c.lease_until_us)}
    return _mine().values(**lease).returning(*(runs.c[name] for name in CHANGING))


def let_go(_dialect: str) -> Executable:
    """Let go of a run that is held under an epoch; nobody takes it before a moment."""
    lease = {"lease_until_us": _new(runs.c.lease_until_us), "holder": null()}
    return _mine().values(**lease).returning(*(runs.c[name] for name in CHANGING))


def record(_dialect: str) -> Executable:
    """Change a run that is held under an epoch; a moment of its end lets it go."""
    goes_on = _new(runs.c.finished_us).is_(None)
    lease = {name: case((goes_on, runs.c[name])) for name in ("lease_until_us", "holder")}
    told = _unless_null(runs.c.state, runs.c.reason, runs.c.result, runs.c.progress, runs.c.finished_us)
    spent = _added(runs.c.spent_minor, runs.c.spent_seconds)
    return _mine().values(**told, **lease, **spent).returning(*(runs.c[name] for name in CHANGING))


def change_task(_dialect: str) -> Executable:
    """Change a task that has not ended."""
    kept = (tasks.c.attempt, tasks.c.lost, tasks.c.result, tasks.c.error, tasks.c.started_us, tasks.c.finished_us)
    values = _unless_null(*kept) | _added(tasks.c.cost_minor, tasks.c.seconds)
    one = (tasks.c.run_id == bindparam("run_id")) & (tasks.c.id == bindparam("task_id"))
    goes_on = or_(tasks.c.state == "waiting", tasks.c.state == "running")
    return update(tasks).where(one, goes_on).values(state=_new(tasks.c.state), due_us=_new(tasks.c.due_us), **values)


_FOUND = (runs.c.id, runs.c.priority, runs.c.created_us)


@cache
def abandoned(kinds: tuple[str, ...]) -> Statement:
    """The run whose lease ended first."""
    ended = select(*_FOUND).where(_held, _of(runs, kinds), runs.c.lease_until_us <= _now_us)
    return lambda _dialect: ended.order_by(runs.c.lease_until_us, runs.c.id).limit(1)


@cache
def some_queued(kinds: tuple[str, ...]) -> Statement:
    """A run that waits, whichever."""
    return lambda _dialect: select(runs.c.id).where(_waits(runs), _of(runs, kinds)).limit(1)


def late(_dialect: str) -> Executable:
    """Runs that wait and whose deadline has passed, the one that is latest first."""
    passed = runs.c.deadline_us <= _now_us
    return select(runs.c.id).where(_waits(runs), passed).order_by(runs.c.deadline_us).limit(bindparam("most"))


def cancelling(_dialect: str) -> Executable:
    """Runs of a holder that are asked to stop."""
    mine = runs.c.holder == bindparam("of_holder")
    return select(runs.c.id).where(_held, mine, runs.c.state == literal_column("'cancelling'"))


@cache
def waiting_owners(kinds: tuple[str, ...]) -> Statement:
    """Who has runs in the queue, with weight and virtual time where they have one, and `STORE` with the store's own.

    From one owner to the next by the index, however many runs each has.
    """
    first = select(func.min(runs.c.owner).label("owner")).where(_waits(runs), _of(runs, kinds))
    found = first.cte("found", recursive=True)
    others = runs.alias()
    after = select(func.min(others.c.owner)).where(_waits(others), _of(others, kinds), others.c.owner > found.c.owner)
    found = found.union_all(select(after.scalar_subquery()).where(found.c.owner.is_not(None)))
    named = select(found.c.owner).where(found.c.owner.is_not(None))
    asked = named.union_all(select(literal_column(f"'{STORE}'"))).subquery()
    joined = asked.outerjoin(owners, owners.c.owner == asked.c.owner)
    return lambda _dialect: select(asked.c.owner, owners.c.weight, owners.c.served).select_from(joined)


@cache
def first_of_each_class(kinds: tuple[str, ...]) -> Statement:
    """Of each class of priority the run of an owner that has waited longest."""
    mine = select(*_FOUND).where(_waits(runs), runs.c.owner == bindparam("of_owner"), _of(runs, kinds))
    in_turn = mine.order_by(runs.c.created_us).limit(1)
    classes = [in_turn.where(runs.c.priority == place).subquery() for place in range(len(PRIORITIES))]
    return lambda _dialect: union_all(*(select(one) for one in classes))


def keep_turn(dialect: str) -> Executable:
    """Keep somebody's virtual time."""
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    row = make(owners).values(owner=bindparam("of_owner"), weight=1.0, served=bindparam("time"))
    return row.on_conflict_do_update(index_elements=["owner"], set_={"served": row.excluded.served})


def take(_dialect: str) -> Executable:
    """Give a run to a holder under the next epoch; its row as it is then."""
    held = {"holder": _new(runs.c.holder), "lease_until_us": _new(runs.c.lease_until_us), "epoch": runs.c.epoch + 1}
    state = case((runs.c.state == "queued", literal_column("'running'")), else_=runs.c.state)
    begun = func.coalesce(runs.c.started_us, _now_us)
    taken = update(runs).where(runs.c.id == bindparam("run_id"))
    return taken.values(**held, state=state, started_us=begun).returning(runs)


def tasks_in_order(_dialect: str) -> Executable:
    """The tasks of a run as they were given."""
    return select(tasks).where(tasks.c.run_id == bindparam("of_run")).order_by(tasks.c.place)


def append_event(dialect: str) -> Executable:
    """Append an event under the next number of its run, and ring."""
    run_id = bindparam("run_id", type_=events.c.run_id.type)
    number = select(func.coalesce(func.max(events.c.number), 0) + 1).where(events.c.run_id == run_id)
    values = [run_id, number.scalar_subquery(), *(_new(events.c[name]) for name in ("at_us", "event", "body"))]
    inserted: Insert = insert(events).from_select(["run_id", "number", "at_us", "event", "body"], select(*values))
    if dialect != "postgresql":
        return inserted
    return inserted.returning(func.pg_notify(literal_column(f"'{CHANNEL}'"), literal_column("''")))

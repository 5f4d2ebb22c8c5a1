"""Tables of the run store; times are microseconds since 1970 UTC, JSON is text."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

from brain.runs.port import ACTIVE, PRIORITIES, TERMINAL
from runtime.database import keep_rows

metadata = MetaData()


def _one_of(column: str, names: tuple[str, ...]) -> str:
    return f"{column} IN ({', '.join(repr(name) for name in names)})"


runs = Table(
    "runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("progress", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("request_digest", Text, nullable=False),
    Column("idempotency_key", Text),
    Column("result", Text),
    Column("created_us", BigInteger, nullable=False),
    Column("started_us", BigInteger),
    Column("finished_us", BigInteger),
    Column("deadline_us", BigInteger),
    Column("retry_of", Text, ForeignKey("runs.id")),
    Column("budget_minor", BigInteger),
    Column("budget_seconds", Float),
    Column("spent_minor", BigInteger, nullable=False, default=0),
    Column("spent_seconds", Float, nullable=False, default=0.0),
    Column("holder", Text),
    Column("epoch", BigInteger, nullable=False, default=0),
    Column("lease_until_us", BigInteger),
    CheckConstraint(_one_of("state", (*ACTIVE, *TERMINAL)), name="run_state_is_known"),
    CheckConstraint(f"priority BETWEEN 0 AND {len(PRIORITIES) - 1}", name="run_priority_is_known"),
)
_waits = runs.c.state == "queued"
Index("runs_that_wait", runs.c.owner, runs.c.priority, runs.c.created_us, sqlite_where=_waits, postgresql_where=_waits)
_held = runs.c.state.in_(("running", "cancelling"))
Index("runs_that_are_held", runs.c.lease_until_us, sqlite_where=_held, postgresql_where=_held)
Index("runs_by_end", runs.c.finished_us)
Index("runs_by_state", runs.c.state, runs.c.kind, runs.c.priority)
Index("runs_by_owner", runs.c.owner, runs.c.created_us, runs.c.id)
Index("runs_by_key", runs.c.owner, runs.c.idempotency_key, runs.c.created_us)

tasks = Table(
    "run_tasks",
    metadata,
    Column("run_id", Text, ForeignKey(runs.c.id), primary_key=True),
    Column("id", Text, primary_key=True),
    Column("place", Integer, nullable=False),
    Column("type", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("after", Text, nullable=False),
    Column("options", Text, nullable=False),
    Column("estimate_minor", BigInteger, nullable=False),
    Column("estimate_seconds", Float, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempt", Integer, nullable=False, default=0),
    Column("lost", Integer, nullable=False, default=0),
    Column("reused", Boolean, nullable=False, default=False),
    Column("due_us", BigInteger),
    Column("result", Text),
    Column("error", Text),
    Column("cost_minor", BigInteger, nullable=False, default=0),
    Column("seconds", Float, nullable=False, default=0.0),
    Column("started_us", BigInteger),
    Column("finished_us", BigInteger),
)
Index("run_tasks_by_end", tasks.c.finished_us)

events = Table(
    "run_events",
    metadata,
    Column("run_id", Text, ForeignKey(runs.c.id), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at_us", BigInteger, nullable=False),
    Column("event", Text, nullable=False),
    Column("body", Text, nullable=False),
)
keep_rows(events, "the history of a run")

owners = Table(
    "run_owners",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("weight", Float, nullable=False, default=1.0),
    Column("served", Float, nullable=False, default=0.0),
)

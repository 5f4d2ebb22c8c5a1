"""The promotion log's one table, and the rules that the database itself keeps.

Rows are only ever added. Every intent names the promotion it comes after, and no two intents may come after the same
one: so the promotions of an alias form a chain, and a second intent beside an open one is refused by a unique index,
whichever process or replica writes it.
"""

from sqlalchemy import CheckConstraint, Column, Index, Integer, MetaData, String, Table, Text

from runtime.database import keep_rows

metadata = MetaData()

events = Table(
    "promotion_events",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("promotion_id", String(32), nullable=False),
    Column("event", String(16), nullable=False),
    Column("model", Text, nullable=False),
    Column("alias", Text, nullable=False),
    Column("after_id", String(32), nullable=False),
    Column("from_version", Text),
    Column("to_version", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("at", String(40), nullable=False),
    CheckConstraint("event IN ('intent', 'done', 'abandoned')", name="promotion_event_is_known"),
)

_intent = events.c.event == "intent"
_end = events.c.event != "intent"

Index(
    "promotion_one_open_intent",
    events.c.model,
    events.c.alias,
    events.c.after_id,
    unique=True,
    sqlite_where=_intent,
    postgresql_where=_intent,
)
Index("promotion_begins_once", events.c.promotion_id, unique=True, sqlite_where=_intent, postgresql_where=_intent)
Index("promotion_ends_once", events.c.promotion_id, unique=True, sqlite_where=_end, postgresql_where=_end)

keep_rows(events, "the promotion log")

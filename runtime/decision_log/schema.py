"""Tables of the decision log.

What was said is kept: events, their keys, decisions, alerts, what happened to alerts and rule sets are only ever added,
and the database refuses anything else. What is under way changes: idempotency keys, deliveries and cursors.
Times are microseconds since 1970 UTC; JSON is text, so that both databases give back what was written to the bit.
"""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKey, Index, Integer, MetaData, String, Table, Text

from runtime.database import keep_rows

metadata = MetaData()

_NUMBER = BigInteger().with_variant(Integer, "sqlite")

events = Table(
    "decision_events",
    metadata,
    Column("sequence", _NUMBER, primary_key=True, autoincrement=False),
    Column("committed_at_us", BigInteger, nullable=False),
    Column("stream", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("event_id", Text, nullable=False),
    Column("subject_id", Text),
    Column("occurred_at_us", BigInteger, nullable=False),
    Column("entities", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("caller", Text, nullable=False),
    Column("request_digest", Text, nullable=False),
    CheckConstraint("kind IN ('transaction', 'label')", name="decision_event_kind_is_known"),
)
Index("decision_event_is_there_once", events.c.stream, events.c.event_id, unique=True)
Index("decision_events_in_order", events.c.stream, events.c.sequence)
_is_label = events.c.kind == "label"
Index(
    "decision_labels_in_order",
    events.c.stream,
    events.c.sequence,
    sqlite_where=_is_label,
    postgresql_where=_is_label,
)
_is_about = events.c.subject_id.is_not(None)
Index(
    "decision_events_by_subject",
    events.c.stream,
    events.c.subject_id,
    events.c.sequence,
    sqlite_where=_is_about,
    postgresql_where=_is_about,
)

event_keys = Table(
    "decision_event_keys",
    metadata,
    Column("stream", Text, primary_key=True),
    Column("entity", Text, primary_key=True),
    Column("sequence", _NUMBER, ForeignKey(events.c.sequence), primary_key=True),
    sqlite_with_rowid=False,
)

decisions = Table(
    "decision_answers",
    metadata,
    Column("sequence", _NUMBER, ForeignKey(events.c.sequence), primary_key=True, autoincrement=False),
    Column("stream", Text, nullable=False),
    Column("decision_id", Text, nullable=False, unique=True),
    Column("body", Text, nullable=False),
    Index("decision_answers_in_order", "stream", "sequence"),
)

alerts = Table(
    "decision_alerts",
    metadata,
    Column("sequence", _NUMBER, ForeignKey(events.c.sequence), primary_key=True, autoincrement=False),
    Column("alert_id", Text, nullable=False, unique=True),
    Column("severity", Text, nullable=False),
    Column("body", Text, nullable=False),
)

alert_events = Table(
    "decision_alert_events",
    metadata,
    Column("number", _NUMBER, primary_key=True, autoincrement=False),
    Column("alert_id", Text, ForeignKey(alerts.c.alert_id), nullable=False),
    Column("event", String(16), nullable=False),
    Column("at_us", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("note", Text, nullable=False),
    CheckConstraint("event IN ('raised', 'acknowledged')", name="decision_alert_event_is_known"),
    Index("decision_alert_event_happens_once", "alert_id", "event", unique=True),
)

rule_sets = Table(
    "decision_rule_sets",
    metadata,
    Column("digest", Text, primary_key=True),
    Column("text", Text, nullable=False),
)

idempotency_keys = Table(
    "decision_idempotency_keys",
    metadata,
    Column("caller", Text, primary_key=True),
    Column("idempotency_key", Text, primary_key=True),
    Column("sequence", _NUMBER, ForeignKey(events.c.sequence), nullable=False),
    Column("created_at_us", BigInteger, nullable=False, index=True),
)

deliveries = Table(
    "decision_deliveries",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("alert_id", Text, ForeignKey(alerts.c.alert_id), nullable=False),
    Column("target", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("due_at_us", BigInteger, nullable=False),
    Column("last_error", Text, nullable=False),
    CheckConstraint("state IN ('pending', 'delivered', 'dead')", name="decision_delivery_state_is_known"),
    Index("decision_deliveries_by_state", "state", "due_at_us"),
    Index("decision_delivery_is_there_once", "alert_id", "target", unique=True),
)

cursors = Table(
    "decision_cursors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("sequence", _NUMBER, nullable=False),
    Column("touched_at_us", BigInteger, nullable=False),
)

for _table in (events, event_keys, decisions, alerts, alert_events, rule_sets):
    keep_rows(_table, "the decision log")

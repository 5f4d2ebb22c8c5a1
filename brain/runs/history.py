"""What happened to a run, numbered within it."""

from collections.abc import Mapping

from sqlalchemy import BigInteger, Connection, func, insert, literal, select

from brain.runs.doorbell import CHANNEL
from brain.runs.rows import text
from brain.runs.schema import events


def note(connection: Connection, run_id: str, at_us: int, event: str, body: Mapping[str, object]) -> None:
    """Append an event, within a transaction that no other writer's overlaps; its commit rings the doorbell."""
    next_number = select(func.coalesce(func.max(events.c.number), 0) + 1).where(events.c.run_id == run_id)
    row = select(
        literal(run_id), next_number.scalar_subquery(), literal(at_us, BigInteger), literal(event), literal(text(body))
    )
    connection.execute(insert(events).from_select(["run_id", "number", "at_us", "event", "body"], row))
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"NOTIFY {CHANNEL}")

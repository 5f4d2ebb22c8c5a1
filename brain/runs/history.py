"""What happened to a run, numbered within it."""

from collections.abc import Mapping

from sqlalchemy import Connection, func, insert, select

from brain.runs.rows import text
from brain.runs.schema import events


def note(connection: Connection, run_id: str, at_us: int, event: str, body: Mapping[str, object]) -> None:
    """Append an event, within a transaction that no other writer's overlaps."""
    last = select(func.coalesce(func.max(events.c.number), 0)).where(events.c.run_id == run_id)
    number = int(connection.scalar(last) or 0) + 1
    row = {"run_id": run_id, "number": number, "at_us": at_us, "event": event, "body": text(body)}
    connection.execute(insert(events), row)

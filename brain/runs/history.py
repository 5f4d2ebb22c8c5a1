"""What happened to a run, numbered within it."""

from collections.abc import Mapping

from sqlalchemy import Connection

from brain.runs.rows import text
from brain.runs.statements import append_event, execute


def note(connection: Connection, run_id: str, at_us: int, event: str, body: Mapping[str, object]) -> None:
    """Append an event, within a transaction that no other writer's overlaps; its commit rings the doorbell."""
    values = {"run_id": run_id, "new_at_us": at_us, "new_event": event, "new_body": text(body)}
    execute(connection, append_event, values)

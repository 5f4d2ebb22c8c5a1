"""From the settings to a run store."""

from brain.runs.port import RunStore
from brain.runs.settings import RunStoreSettings


def open_run_store(database_url: str = "") -> RunStore:
    """Open the store at an address and create its tables where they are missing.

    Args:
        database_url: `sqlite:///…` or `postgresql://…`; empty means BRAIN_DATABASE_URL, or else `runs.db` in the state
            folder: a file of its own, since it is written with every step.

    Raises:
        NoRunStoreError: No address is given outside a local environment.
        ValueError: It is of another database.
    """
    from brain.runs.store import SqlRunStore

    return SqlRunStore(database_url or RunStoreSettings().resolved_url)

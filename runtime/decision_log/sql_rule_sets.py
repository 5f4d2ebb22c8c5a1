"""Rule sets by their digest."""

from sqlalchemy import insert, select

from runtime.decision_log.database import Database
from runtime.decision_log.errors import RuleSetConflictError
from runtime.decision_log.schema import rule_sets


class SqlRuleSets:
    """See `RuleSets`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, digest: str, text: str) -> None:
        """Keep a text; idempotent; `RuleSetConflictError` if another text is kept under this digest."""
        with self._database.writing() as connection:
            kept = connection.scalar(select(rule_sets.c.text).where(rule_sets.c.digest == digest))
            if kept is None:
                connection.execute(insert(rule_sets).values(digest=digest, text=text))
            elif kept != text:
                raise RuleSetConflictError(digest)

    def get(self, digest: str) -> str | None:
        """The text; None if there is none."""
        with self._database.reading() as connection:
            return connection.scalar(select(rule_sets.c.text).where(rule_sets.c.digest == digest))

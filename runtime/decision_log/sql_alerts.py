"""Alerts and what happened to them."""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import func, select

from runtime.decision_log.append import INSERT_ALERT_EVENTS, NEXT_ALERT_NUMBER
from runtime.decision_log.database import Database
from runtime.decision_log.errors import AlertNotFoundError
from runtime.decision_log.records import Alert, AlertEvent, AlertState
from runtime.decision_log.rows import AnySelect, alert, alerts_with_their_state
from runtime.decision_log.schema import alert_events, alerts
from runtime.moments import moment


class SqlAlerts:
    """See `Alerts`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, alert_id: str) -> Alert | None:
        """One alert; None if there is none."""
        found = self._read(alerts_with_their_state().where(alerts.c.alert_id == alert_id))
        return found[0] if found else None

    def list(self, state: AlertState | None = None, before: int | None = None, limit: int = 100) -> Sequence[Alert]:
        """Alerts, newest first; see `Alerts.list`."""
        query = alerts_with_their_state().order_by(alerts.c.sequence.desc()).limit(limit)
        if before is not None:
            query = query.where(alerts.c.sequence < before)
        if state is not None:
            acknowledged = query.selected_columns.acknowledged_at_us
            query = query.where(acknowledged.is_(None) if state == "open" else acknowledged.is_not(None))
        return self._read(query)

    def events(self, after: int, limit: int = 100) -> Sequence[AlertEvent]:
        """What happened to alerts after a number, ascending."""
        query = (
            alerts_with_their_state()
            .add_columns(alert_events.c.number, alert_events.c.event, alert_events.c.at_us)
            .join(alert_events, alert_events.c.alert_id == alerts.c.alert_id)
            .where(alert_events.c.number > after)
            .order_by(alert_events.c.number)
            .limit(limit)
        )
        with self._database.reading() as connection:
            return [
                AlertEvent(number=row.number, event=row.event, at=moment(row.at_us), alert=alert(row))
                for row in connection.execute(query)
            ]

    def last_number(self) -> int:
        """Number of the newest alert event; 0 before the first."""
        with self._database.reading() as connection:
            return int(connection.scalar(select(func.max(alert_events.c.number))) or 0)

    def acknowledge(self, alert_id: str, who: str, note: str = "") -> Alert:
        """Take notice of an alert; the first one stands; see `Alerts.acknowledge`."""
        with self._database.writing() as connection:
            row = connection.execute(alerts_with_their_state().where(alerts.c.alert_id == alert_id)).first()
            if row is None:
                raise AlertNotFoundError(alert_id)
            if alert(row).state == "open":
                number = connection.execute(NEXT_ALERT_NUMBER).scalar_one()
                happened = {"number": number, "alert_id": alert_id, "event": "acknowledged"}
                said = {"at_us": self._database.now(), "who": who, "note": note}
                connection.execute(INSERT_ALERT_EVENTS, {**happened, **said})
        return cast(Alert, self.get(alert_id))

    def _read(self, query: AnySelect) -> "Sequence[Alert]":
        with self._database.reading() as connection:
            return [alert(row) for row in connection.execute(query)]

"""The outbox: deliveries under leases."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import ColumnElement, Connection, func, select, update

from runtime.decision_log.database import Database
from runtime.decision_log.errors import DeliveryNotFoundError, LeaseLostError
from runtime.decision_log.records import Delivery, DeliveryState
from runtime.decision_log.rows import alert, alerts_with_their_state
from runtime.decision_log.schema import alerts, deliveries
from runtime.moments import moment

_MICROSECONDS = 1_000_000


class SqlDeliveries:
    """See `Deliveries`.

    A claim makes a delivery due again at the end of its lease: should its holder die, the next claim finds it then.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, limit: int, lease_seconds: float) -> Sequence[Delivery]:
        """Take deliveries that are due, oldest first; no other process gets them until the lease ends."""
        with self._database.writing() as connection:
            now_us = self._database.now()
            due = (deliveries.c.state == "pending") & (deliveries.c.due_at_us <= now_us)
            oldest = select(deliveries.c.id).where(due).order_by(deliveries.c.due_at_us, deliveries.c.id).limit(limit)
            ids = list(connection.scalars(oldest))
            if ids:
                leased = {"epoch": deliveries.c.epoch + 1, "due_at_us": now_us + round(lease_seconds * _MICROSECONDS)}
                connection.execute(update(deliveries).where(deliveries.c.id.in_(ids)).values(leased))
            found = {one.id: one for one in _read(connection, deliveries.c.id.in_(ids))}
        return [found[one] for one in ids]

    def delivered(self, delivery: Delivery) -> Delivery:
        """Record that the target took it; `LeaseLostError` if another process has claimed it since."""
        return self._end(delivery, state="delivered", last_error="", due_at_us=self._database.now())

    def failed(self, delivery: Delivery, error: str, retry_in_seconds: float, max_attempts: int) -> Delivery:
        """Record a failed attempt; see `Deliveries.failed`."""
        state: DeliveryState = "dead" if delivery.attempts + 1 >= max_attempts else "pending"
        due_at_us = self._database.now() + round(retry_in_seconds * _MICROSECONDS)
        return self._end(delivery, state=state, last_error=error, due_at_us=due_at_us)

    def revive(self, delivery_id: int) -> Delivery:
        """Make a dead delivery due now, its attempts counted anew; `DeliveryNotFoundError` if it is not dead."""
        dead = (deliveries.c.id == delivery_id) & (deliveries.c.state == "dead")
        again = {"state": "pending", "attempts": 0, "due_at_us": self._database.now()}
        with self._database.writing() as connection:
            if not connection.execute(update(deliveries).where(dead).values(again)).rowcount:
                raise DeliveryNotFoundError(delivery_id)
            return _read(connection, deliveries.c.id == delivery_id)[0]

    def list(self, state: DeliveryState, before: int | None = None, limit: int = 100) -> Sequence[Delivery]:
        """Deliveries in a state, newest first; `before` is the last id of the page before."""
        wanted = deliveries.c.state == state
        if before is not None:
            wanted &= deliveries.c.id < before
        with self._database.reading() as connection:
            return _read(connection, wanted, newest=limit)

    def counts(self) -> Mapping[DeliveryState, int]:
        """How many deliveries are in each state."""
        query = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
        with self._database.reading() as connection:
            found = {cast(DeliveryState, state): number for state, number in connection.execute(query)}
        states: tuple[DeliveryState, ...] = ("pending", "delivered", "dead")
        return {state: found.get(state, 0) for state in states}

    def next_due(self) -> datetime | None:
        """When the next pending delivery can be claimed; None: nothing is pending."""
        first = select(func.min(deliveries.c.due_at_us)).where(deliveries.c.state == "pending")
        with self._database.reading() as connection:
            due_at_us = connection.scalar(first)
        return None if due_at_us is None else moment(due_at_us)

    def _end(self, delivery: Delivery, **changes: object) -> Delivery:
        held = (deliveries.c.id == delivery.id) & (deliveries.c.epoch == delivery.epoch)
        held &= (deliveries.c.state == "pending") & (deliveries.c.attempts == delivery.attempts)
        attempt = update(deliveries).where(held).values(attempts=deliveries.c.attempts + 1, **changes)
        with self._database.writing() as connection:
            if not connection.execute(attempt).rowcount:
                raise LeaseLostError(delivery.id, delivery.epoch)
            return _read(connection, deliveries.c.id == delivery.id)[0]


def _read(connection: Connection, wanted: ColumnElement[bool], newest: int | None = None) -> list[Delivery]:
    query = (
        alerts_with_their_state()
        .add_columns(*(column.label(f"delivery_{column.name}") for column in deliveries.c))
        .join(deliveries, deliveries.c.alert_id == alerts.c.alert_id)
        .where(wanted)
    )
    if newest is not None:
        query = query.order_by(deliveries.c.id.desc()).limit(newest)
    return [
        Delivery(
            id=row.delivery_id,
            target=row.delivery_target,
            state=row.delivery_state,
            attempts=row.delivery_attempts,
            epoch=row.delivery_epoch,
            due_at=moment(row.delivery_due_at_us),
            last_error=row.delivery_last_error,
            alert=alert(row),
        )
        for row in connection.execute(query)
    ]

"""The promotion log in SQL."""

import contextlib
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import Connection, Row, Select, insert, select, text
from sqlalchemy.exc import IntegrityError

from runtime.database import open_engine
from runtime.promotion_log.port import (
    Promotion,
    PromotionConflictError,
    PromotionNotFoundError,
    PromotionState,
)
from runtime.promotion_log.schema import events, metadata

_SCHEMA_LOCK = 7_203_114  # any constant: PostgreSQL replicas that start together create the table one after another


class SqlPromotionLog:
    """Appends an event per step; the state of a promotion is its last event.

    Args:
        database_url: `sqlite:///…` or `postgresql://…`.
    """

    def __init__(self, database_url: str) -> None:
        self._engine = open_engine(database_url)
        with self._engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _SCHEMA_LOCK})
            metadata.create_all(connection)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def intend(
        self, *, model: str, alias: str, from_version: str | None, to_version: str, actor: str, reason: str
    ) -> Promotion:
        """Record durably that an alias is about to move; `PromotionConflictError` while another intent is open."""
        promotion_id = uuid.uuid4().hex
        try:
            with self._engine.begin() as connection:
                connection.execute(
                    insert(events).values(
                        promotion_id=promotion_id,
                        event="intent",
                        model=model,
                        alias=alias,
                        after_id=_last_ended(connection, model, alias),
                        from_version=from_version,
                        to_version=to_version,
                        actor=actor,
                        reason=reason,
                        detail="",
                        at=_now(),
                    )
                )
        except IntegrityError as error:
            raise PromotionConflictError(
                f"alias {alias!r} of {model!r} is being moved by another promotion, so it cannot move to version "
                f"{to_version} now; wait for it to end, or reconcile the log if its process died"
            ) from error
        return self._get(promotion_id)

    def done(self, promotion_id: str, detail: str = "") -> Promotion:
        """Record that the alias moved; idempotent."""
        return self._end(promotion_id, "done", detail)

    def abandon(self, promotion_id: str, detail: str) -> Promotion:
        """Record that the alias did not move; idempotent."""
        return self._end(promotion_id, "abandoned", detail)

    def pending(self, model: str | None = None) -> Sequence[Promotion]:
        """Intents without an end, oldest first."""
        query = _promotions().where(_END.c.event.is_(None)).order_by(_INTENT.c.sequence)
        return self._read(query if model is None else query.where(_INTENT.c.model == model))

    def history(self, model: str, limit: int = 100) -> Sequence[Promotion]:
        """Promotions of a model, newest first."""
        return self._read(
            _promotions().where(_INTENT.c.model == model).order_by(_INTENT.c.sequence.desc()).limit(limit)
        )

    def _end(self, promotion_id: str, state: PromotionState, detail: str) -> Promotion:
        begun = self._get(promotion_id)
        if begun.state == "intent":
            with contextlib.suppress(IntegrityError):  # another process ended it first, and what it wrote decides
                self._append_end(begun, state, detail)
            begun = self._get(promotion_id)
        if begun.state != state:
            raise PromotionConflictError(
                f"promotion {promotion_id} of {begun.model!r} has ended as {begun.state!r} and cannot become {state!r}"
            )
        return begun

    def _append_end(self, begun: Promotion, state: PromotionState, detail: str) -> None:
        with self._engine.begin() as connection:
            connection.execute(
                insert(events).values(
                    promotion_id=begun.id,
                    event=state,
                    model=begun.model,
                    alias=begun.alias,
                    after_id="",
                    from_version=begun.from_version,
                    to_version=begun.to_version,
                    actor=begun.actor,
                    reason=begun.reason,
                    detail=detail,
                    at=_now(),
                )
            )

    def _get(self, promotion_id: str) -> Promotion:
        found = self._read(_promotions().where(_INTENT.c.promotion_id == promotion_id))
        if not found:
            raise PromotionNotFoundError(promotion_id)
        return found[0]

    def _read(self, query: "Select[tuple[object, ...]]") -> list[Promotion]:
        with self._engine.connect() as connection:
            return [_promotion(row) for row in connection.execute(query)]


_INTENT = events.alias("intent")
_END = events.alias("ending")


def _promotions() -> "Select[tuple[object, ...]]":
    joined = _INTENT.outerjoin(_END, (_END.c.promotion_id == _INTENT.c.promotion_id) & (_END.c.event != "intent"))
    return (
        select(_INTENT, _END.c.event.label("end"), _END.c.detail.label("end_detail"), _END.c.at.label("ended_at"))
        .select_from(joined)
        .where(_INTENT.c.event == "intent")
    )


def _last_ended(connection: Connection, model: str, alias: str) -> str:
    """Id of the newest promotion of the alias that has ended; empty before the first.

    While an intent is open this is the very id that it comes after, so that the unique index refuses a second one.
    """
    query = _promotions().where(_INTENT.c.model == model, _INTENT.c.alias == alias, _END.c.event.is_not(None))
    row = connection.execute(query.order_by(_INTENT.c.sequence.desc()).limit(1)).first()
    return "" if row is None else str(row.promotion_id)


def _promotion(row: "Row[tuple[object, ...]]") -> Promotion:
    return Promotion(
        id=row.promotion_id,
        model=row.model,
        alias=row.alias,
        from_version=row.from_version,
        to_version=row.to_version,
        actor=row.actor,
        reason=row.reason,
        state=cast(PromotionState, row.end or "intent"),
        detail=row.end_detail or "",
        created_at=datetime.fromisoformat(row.at),
        ended_at=datetime.fromisoformat(row.ended_at) if row.ended_at else None,
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")

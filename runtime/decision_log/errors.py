"""What the decision log refuses."""

from collections.abc import Mapping

from runtime.decision_log.records import EntityKey, LoggedEvent


class CommitRefusedError(RuntimeError):
    """A commit must not be made; nothing of it was written."""


class DuplicateEventError(CommitRefusedError):
    """Events with these ids are in the log already; `existing` maps places in the commit to what is there."""

    def __init__(self, stream: str, existing: Mapping[int, LoggedEvent]) -> None:
        self.existing = existing
        first = next(iter(existing.values()))
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        super().__init__(
            f"{stream!r} holds event {first.event_id!r}{more} already, as sequence {first.sequence}; "
            "answer with what is there if the request is the same, and refuse it otherwise"
        )


class KeyReusedError(CommitRefusedError):
    """Idempotency keys were used with other requests; `existing` maps places in the commit to what came first."""

    def __init__(self, existing: Mapping[int, LoggedEvent]) -> None:
        self.existing = existing
        first = next(iter(existing.values()))
        super().__init__(
            f"{len(existing)} idempotency key(s) of this commit were used with another request in the last 24 hours, "
            f"the first one for event {first.event_id!r}; use a new key for a new request"
        )


class HeadMovedError(CommitRefusedError):
    """Events of these keys were committed since they were read; `moved` maps each to its newest sequence."""

    def __init__(self, moved: Mapping[EntityKey, int]) -> None:
        self.moved = moved
        (kind, name), head = next(iter(moved.items()))
        super().__init__(
            f"{len(moved)} of the entities read have newer events, among them {kind} {name!r} with sequence {head}; "
            "read again and decide again"
        )


class AlertNotFoundError(LookupError):
    """The log has no such alert."""

    def __init__(self, alert_id: str) -> None:
        super().__init__(f"the log holds no alert {alert_id!r}")


class DeliveryNotFoundError(LookupError):
    """The log has no such delivery in the state that was asked for."""

    def __init__(self, delivery_id: int) -> None:
        super().__init__(f"the log holds no dead delivery {delivery_id}; only a dead one can be revived")


class LeaseLostError(RuntimeError):
    """Another process has claimed the delivery since, or it has ended."""

    def __init__(self, delivery_id: int, epoch: int) -> None:
        super().__init__(
            f"delivery {delivery_id} is no longer held under epoch {epoch}: its lease ended and it was claimed again; "
            "drop the result, the holder records its own"
        )


class RuleSetConflictError(RuntimeError):
    """Another text is kept under the digest."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"the log holds another rule set under {digest!r}; take a digest of the whole text")

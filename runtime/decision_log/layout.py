"""The rows that events become."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from runtime.decision_log.records import LoggedEvent, NewAlert, NewEvent
from runtime.decision_log.rows import entity, to_json
from runtime.moments import moment

_Rows = list[Mapping[str, object]]


@dataclass
class LaidOut:
    """Rows of commits by table, in the order of their sequences; alert events lack their number still."""

    now_us: int
    events: _Rows = field(default_factory=list)
    event_keys: _Rows = field(default_factory=list)
    decisions: _Rows = field(default_factory=list)
    idempotency_keys: _Rows = field(default_factory=list)
    alerts: _Rows = field(default_factory=list)
    alert_events: _Rows = field(default_factory=list)
    deliveries: _Rows = field(default_factory=list)

    def add(self, event: NewEvent, sequence: int) -> LoggedEvent:
        """Lay out one event and say what a reader will find.

        Raises:
            ValueError: A number in a body is not finite, or a key's type holds a colon.
        """
        keys = tuple(dict.fromkeys(event.keys))
        entities = [entity(key) for key in keys]
        self.events.append(
            {
                "sequence": sequence,
                "committed_at_us": self.now_us,
                "stream": event.stream,
                "kind": event.kind,
                "event_id": event.event_id,
                "subject_id": event.subject_id,
                "occurred_at_us": event.occurred_at_us,
                "entities": json.dumps(entities),
                "body": to_json(event.body),
                "caller": event.caller,
                "request_digest": event.request_digest,
            }
        )
        self.event_keys += [{"stream": event.stream, "entity": name, "sequence": sequence} for name in entities]
        self._add_decision(event, sequence)
        self._add_idempotency_key(event, sequence)
        if event.alert is not None:
            self._add_alert(event.alert, sequence)
        return LoggedEvent(
            sequence=sequence,
            committed_at=moment(self.now_us),
            stream=event.stream,
            kind=event.kind,
            event_id=event.event_id,
            keys=keys,
            occurred_at_us=event.occurred_at_us,
            body=event.body,
            caller=event.caller,
            request_digest=event.request_digest,
            decision=event.decision,
            alert_id=None if event.alert is None else event.alert.id,
            subject_id=event.subject_id,
        )

    def extend(self, other: "LaidOut") -> None:
        """Put another commit's rows behind these."""
        self.events += other.events
        self.event_keys += other.event_keys
        self.decisions += other.decisions
        self.idempotency_keys += other.idempotency_keys
        self.alerts += other.alerts
        self.alert_events += other.alert_events
        self.deliveries += other.deliveries

    def _add_decision(self, event: NewEvent, sequence: int) -> None:
        if event.decision is not None:
            answer = {"decision_id": event.decision["id"], "body": to_json(event.decision)}
            self.decisions.append({"sequence": sequence, "stream": event.stream, **answer})

    def _add_idempotency_key(self, event: NewEvent, sequence: int) -> None:
        if event.idempotency_key is not None:
            key = {"caller": event.caller, "idempotency_key": event.idempotency_key}
            self.idempotency_keys.append({**key, "sequence": sequence, "created_at_us": self.now_us})

    def _add_alert(self, alert: NewAlert, sequence: int) -> None:
        body = {"severity": alert.severity, "body": to_json(alert.body)}
        self.alerts.append({"sequence": sequence, "alert_id": alert.id, **body})
        self.alert_events.append({"alert_id": alert.id, "event": "raised", "at_us": self.now_us, "who": "", "note": ""})
        first = {"state": "pending", "attempts": 0, "epoch": 0, "due_at_us": self.now_us, "last_error": ""}
        self.deliveries += [{"alert_id": alert.id, "target": name, **first} for name in dict.fromkeys(alert.targets)]

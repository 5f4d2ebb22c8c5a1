"""Reads of the log that answer questions about the past."""

from runtime.decision_log import DecisionLog, LoggedEvent
from runtime.problems import Problem

_SHOWN_CHARACTERS = 80


def decision_with_label(log: DecisionLog, decision_id: str) -> tuple[LoggedEvent, LoggedEvent | None]:
    """A decision's event and its newest label; blocking.

    Raises:
        Problem: 404 where there is no such decision.
    """
    event = log.find_decision(decision_id)
    if event is None:
        shown = decision_id[:_SHOWN_CHARACTERS]
        hint = "ids begin with 'dcsn_' and stand in the answer of /api/v1/fraud/analyze"
        raise Problem(404, detail=f"there is no decision {shown!r}; {hint}")
    return event, label_of(log, event.stream, event.event_id)


def label_of(log: DecisionLog, stream: str, event_id: str) -> LoggedEvent | None:
    """The label of a case, if one is known; blocking."""
    return log.find_event(stream, label_id(event_id))


def label_id(event_id: str) -> str:
    """The id under which the label of a case stands in its stream."""
    return f"label:{event_id}"

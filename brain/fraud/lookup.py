"""Reads of the log that answer questions about the past."""

from runtime.decision_log import DecisionLog, LoggedEvent
from runtime.problems import Problem

_SHOWN_CHARACTERS = 80


def decision_with_label(log: DecisionLog, decision_id: str) -> tuple[LoggedEvent, LoggedEvent | None]:
    """A decision's event and its newest label; blocking.

    Raises:
        Problem: 404 where there is no such decision.
    """
    event = log.find_decision(decision_id) if is_id(decision_id) else None
    if event is None:
        raise not_there(
            "decision", decision_id, "ids begin with 'dcsn_' and stand in the answer of /api/v1/fraud/analyze"
        )
    return event, label_of(log, event.stream, event.event_id)


def is_id(text: str) -> bool:
    """Whether this can be the id of anything in the log; PostgreSQL does not even take a question with a NUL in it."""
    return text.isascii() and text.isprintable()


def not_there(what: str, name: str, hint: str) -> Problem:
    """A 404 for an id that names nothing."""
    return Problem(404, detail=f"there is no {what} {name[:_SHOWN_CHARACTERS]!r}; {hint}")


def label_of(log: DecisionLog, stream: str, event_id: str) -> LoggedEvent | None:
    """The label of a case, if one is known; blocking."""
    return log.find_event(stream, label_id(event_id))


def label_id(event_id: str) -> str:
    """The id under which the label of a case stands in its stream."""
    return f"label:{event_id}"

"""The fraud parts of the platform, as `/status` shows them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from brain.clients.errors import UpstreamError
from brain.deadline import Deadline
from brain.fraud.cases import Kind
from brain.fraud.desk import FraudDesk
from brain.fraud.detectors import untrained
from brain.fraud.mirror import CURSOR
from runtime.decision_log import DecisionLog
from runtime.problems import Problem

STREAM = "fraud-card"
SILENT_SECONDS = 60.0

FraudState = Literal["up", "degraded", "down", "absent"]


@dataclass(frozen=True)
class Look:
    """One part: a model, the features or the alerts."""

    name: str
    kind: Literal["predictor", "features", "alerts"]
    state: FraudState
    detail: str = ""
    version: str = ""
    learner: str = ""
    lag: int | None = None


async def look_at_model(desk: FraudDesk, kind: Kind, seconds: float) -> Look:
    """A model of the fraud predictor; one that nobody has trained yet is absent, unless it is the one for cards."""
    name = f"fraud-{kind}"
    try:
        found = await desk.predictor.metadata(kind, Deadline.after(seconds))
    except UpstreamError as error:
        why = untrained(kind, error)
        if kind != "card" and why is not None:
            return Look(name, "predictor", "absent", why)
        return Look(name, "predictor", "down", error.detail)
    version = found.versions[-1] if found.versions else ""
    last = desk.drift.last
    drifted = [one for one in (last.models if last else ()) if one.kind == kind and one.state == "drifted"]
    state: FraudState = "degraded" if drifted and drifted[0].model_version == version else "up"
    detail = drifted[0].detail if state == "degraded" else ""
    return Look(name, "predictor", state, detail, version, found.text("learner"))


async def look_at_log(desk: FraudDesk, now: datetime) -> list[Look]:
    """How far the features lag behind the log, and what could not be delivered."""
    try:
        return await desk.ledger.run(lambda log: [_features(log, desk.settings.lag_limit, now), _alerts(log)])
    except Problem as problem:
        return [Look("decision log", "features", "down", problem.detail)]


def _features(log: DecisionLog, limit: int, now: datetime) -> Look:
    head, cursor = log.head(STREAM), log.cursor_state(CURSOR)
    lag = max(0, head - cursor.sequence)
    silent = cursor.touched_at is None or (now - cursor.touched_at).total_seconds() > SILENT_SECONDS
    if lag > limit:
        detail = f"the feature store is {lag} events behind the decision log"
    elif lag and silent:
        detail = f"{lag} events wait, and no feature writer was heard of for a minute"
    else:
        return Look("fraud features", "features", "up", lag=lag)
    return Look("fraud features", "features", "degraded", detail, lag=lag)


def _alerts(log: DecisionLog) -> Look:
    dead = log.deliveries.counts().get("dead", 0)
    detail = f"{dead} alerts could not be delivered; see /api/v1/fraud/deliveries" if dead else ""
    return Look("fraud alerts", "alerts", "degraded" if dead else "up", detail)

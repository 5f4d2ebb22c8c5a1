"""Whether inputs and scores of the last decisions still look like those that a model was trained on."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from prometheus_client import CollectorRegistry, Gauge
from pydantic import BaseModel, Field

from brain.clients.errors import UpstreamError
from brain.deadline import Deadline
from brain.fraud.cases import KINDS, Kind
from brain.fraud.detectors import untrained
from brain.fraud.ledger import Ledger
from brain.fraud.predictor import FraudPredictor
from brain.fraud.settings import FraudSettings
from components.fraud.drift import Reference, ReferenceError
from runtime.decision_log import DecisionLog, LoggedEvent
from runtime.logs import get_logger
from runtime.problems import Problem

BINS = 20
METADATA_SECONDS = 2.0

DriftState = Literal["stable", "drifted", "too_few", "unknown"]
_log = get_logger(__name__)


class InputDrift(BaseModel):
    """How far one input has moved."""

    feature: str
    index: float = Field(description="population stability index")
    drifted: bool


class ModelDrift(BaseModel):
    """One model version over its last decisions."""

    kind: str
    model: str
    model_version: str
    state: DriftState
    detail: str = Field(default="", description="why there is no comparison, or what has moved")
    decisions: int = Field(description="how many were compared")
    since: datetime | None = None
    score: float | None = Field(default=None, description="population stability index of the probability")
    inputs: list[InputDrift] = Field(default_factory=list, description="most moved first")
    counts: dict[str, int] = Field(default_factory=dict, description="how many of each decision")
    histogram: list[int] = Field(default_factory=list, description=f"probabilities in {BINS} equal bins from 0 to 1")


class AbsentModel(BaseModel):
    """A detector without a model, and what trains one."""

    kind: str
    model: str
    detail: str


class DriftReport(BaseModel):
    """Every model that has decided something."""

    checked_at: datetime
    threshold: float
    models: list[ModelDrift]
    absent: list[AbsentModel] = Field(
        default_factory=list, description="detectors without a model, and what trains one"
    )


@dataclass(frozen=True)
class _Seen:
    version: str
    probability: float
    decision: str
    names: tuple[str, ...]
    values: tuple[float | None, ...]
    at: datetime


@dataclass
class _Window:
    """The last decisions of one stream."""

    kept: deque[_Seen]
    last: int = 0
    names: dict[tuple[str, ...], tuple[str, ...]] = field(default_factory=dict)


class DriftBoard:
    """Compares every `drift_seconds`, and keeps the last comparison for whoever asks.

    Args:
        predictor: Tells a version's reference.
        ledger: Holds the decisions.
        settings: How many decisions, and from which index on something has drifted.
        registry: Where the indices live as metrics.
    """

    def __init__(
        self, predictor: FraudPredictor, ledger: Ledger, settings: FraudSettings, registry: CollectorRegistry
    ) -> None:
        self._predictor = predictor
        self._ledger = ledger
        self._settings = settings
        self._windows = {kind: _Window(deque(maxlen=settings.drift_decisions)) for kind in KINDS}
        self._references: dict[tuple[Kind, str], Reference] = {}
        self._looking = asyncio.Lock()
        self._seen: DriftReport | None = None
        self._until = 0.0
        self._absent: list[AbsentModel] | None = None
        self._shown: dict[str, frozenset[str]] = {}
        self._index = Gauge(
            "brain_fraud_drift_index",
            "Population stability index of a model's inputs and of its probability, over the last decisions.",
            ("model", "input"),
            registry=registry,
        )

    @property
    def last(self) -> DriftReport | None:
        """The last comparison, if there was one."""
        return self._seen

    async def run(self) -> None:
        """Compare until cancelled."""
        while True:
            try:
                async with self._looking:
                    await self._measured()
            except Problem as problem:
                _log.warning("drift cannot be measured", reason=problem.detail)
            await asyncio.sleep(self._settings.drift_seconds)

    async def report(self) -> DriftReport:
        """The comparison as it is now or was a moment ago, with the detectors that have no model."""
        async with self._looking:
            seen = await self._measured()
            if self._absent is None:
                compared = {one.kind for one in seen.models}
                looks = await asyncio.gather(*(self._look_for(kind) for kind in KINDS if kind not in compared))
                self._absent = [one for one in looks if one is not None]
            return seen.model_copy(update={"absent": self._absent})

    async def _measured(self) -> DriftReport:
        if self._seen is None or time.monotonic() >= self._until:
            found = [await self._look_at(kind) for kind in KINDS]
            models = [one for one in found if one is not None]
            self._seen = DriftReport(
                checked_at=datetime.now(UTC), threshold=self._settings.drift_threshold, models=models
            )
            self._until = time.monotonic() + self._settings.drift_seconds
            self._absent = None
        return self._seen

    async def _look_at(self, kind: Kind) -> ModelDrift | None:
        window = self._windows[kind]
        await self._ledger.run(lambda log: _read_on(log, f"fraud-{kind}", window))
        if not window.kept:
            return None
        found = await self._compare(kind, window)
        self._show(found)
        return found

    async def _look_for(self, kind: Kind) -> AbsentModel | None:
        """Asked for callers alone: nothing in the background needs to know."""
        try:
            await self._predictor.metadata(kind, Deadline.after(METADATA_SECONDS))
        except UpstreamError as error:
            why = untrained(kind, error)
            return None if why is None else AbsentModel(kind=kind, model=f"fraud-{kind}", detail=why)
        return None

    def _show(self, found: ModelDrift) -> None:
        """As metrics; those of a version that is no longer compared are taken away rather than left as they were."""
        indices = {one.feature: one.index for one in found.inputs}
        if found.score is not None:
            indices["probability"] = found.score
        for gone in self._shown.get(found.model, frozenset()) - indices.keys():
            self._index.remove(found.model, gone)
        for name, index in indices.items():
            self._index.labels(found.model, name).set(index)
        self._shown[found.model] = frozenset(indices)

    async def _compare(self, kind: Kind, window: _Window) -> ModelDrift:
        version = window.kept[-1].version
        seen = [one for one in window.kept if one.version == version]
        about = _about(kind, version, seen)
        if len(seen) < self._settings.drift_least:
            detail = f"{self._settings.drift_least} decisions are needed for a comparison, and there are {len(seen)}"
            return about.model_copy(update={"state": "too_few", "detail": detail})
        try:
            reference = await self._reference(kind, version)
        except (UpstreamError, ReferenceError) as error:
            return about.model_copy(update={"detail": f"there is nothing to compare with: {error}"})
        # In a thread of the log's: 2,000 rows of 80 inputs take tens of milliseconds that no request should wait for.
        return await self._ledger.run(lambda _log: self._measure(about, seen, reference))

    async def _reference(self, kind: Kind, version: str) -> Reference:
        known = self._references.get((kind, version))
        if known is None:
            metadata = await self._predictor.metadata(kind, Deadline.after(METADATA_SECONDS))
            if version not in metadata.versions:
                raise ReferenceError(f"the predictor serves version {', '.join(metadata.versions)}, not {version}")
            known = Reference.read(metadata.properties.get("reference"))
            self._references[kind, version] = known
        return known

    def _measure(self, about: ModelDrift, seen: Sequence[_Seen], reference: Reference) -> ModelDrift:
        threshold = self._settings.drift_threshold
        score = reference.probability.index([one.probability for one in seen])
        inputs = []
        for place, name in enumerate(seen[-1].names):
            histogram = reference.inputs.get(name)
            if histogram is not None:
                index = histogram.index([one.values[place] for one in seen if one.names is seen[-1].names])
                inputs.append(InputDrift(feature=name, index=round(index, 4), drifted=index >= threshold))
        inputs.sort(key=lambda one: -one.index)
        moved = [f"{one.feature} ({one.index:.2f})" for one in inputs if one.drifted]
        moved = [f"the score ({score:.2f})", *moved] if score >= threshold else moved
        more = f" and {len(moved) - 3} more" if len(moved) > 3 else ""
        detail = f"moved from the training data: {', '.join(moved[:3])}{more}" if moved else ""
        return about.model_copy(
            update={
                "state": "drifted" if moved else "stable",
                "detail": detail,
                "score": round(score, 4),
                "inputs": inputs,
            }
        )


def _about(kind: Kind, version: str, seen: Sequence[_Seen]) -> ModelDrift:
    bins = Counter(min(BINS - 1, int(one.probability * BINS)) for one in seen)
    return ModelDrift(
        kind=kind,
        model=f"fraud-{kind}",
        model_version=version,
        state="unknown",
        decisions=len(seen),
        since=seen[0].at,
        counts=dict(Counter(one.decision for one in seen)),
        histogram=[bins[place] for place in range(BINS)],
    )


def _read_on(log: DecisionLog, stream: str, window: _Window) -> None:
    """Add what was decided since; blocking."""
    head = log.head(stream)
    new = min(head - window.last, window.kept.maxlen or 0)
    if new <= 0:
        return
    for event in log.latest_decisions(stream, new):
        if event.sequence > window.last and event.decision is not None:
            window.kept.append(_seen(event, event.decision, window))
    window.last = head


def _seen(event: LoggedEvent, decision: Mapping[str, object], window: _Window) -> _Seen:
    features = decision.get("features")
    pairs: Mapping[str, float | None] = features if isinstance(features, dict) else {}
    names = tuple(pairs)
    probability = decision.get("probability")
    return _Seen(
        str(decision.get("model_version")),
        probability if isinstance(probability, float) else 0.0,
        str(decision.get("decision")),
        window.names.setdefault(names, names),
        tuple(pairs.values()),
        event.committed_at,
    )

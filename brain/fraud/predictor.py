"""Asks the fraud predictor and reads its tensors into typed rows."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from brain.clients.errors import (
    UpstreamError,
    UpstreamProtocolError,
    UpstreamRefusedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from brain.clients.kserve import InferAnswer, InferInput, KServeClient, ModelMetadata
from brain.deadline import Deadline
from brain.fraud.cases import Kind

MOST_EXPLAINING = 8
"""Explanations asked for at a time: each holds a connection, and a pool costs more with every one that it has."""

MOST_ROWS = 1000
"""Rows that the predictor takes in one request."""

Values = Sequence[float | None]
"""One row of features in the order of their names; None: the value is missing."""


@dataclass(frozen=True)
class Scored:
    """What the model says of one row.

    Attributes:
        probability: Calibrated.
        score: Uncalibrated.
        values: Features in the order of `Answered.names`.
        state_sequences: Cards: sequences that the customer's and the terminal's state held.
        extra: What a detector says besides, such as the likeliest class of an attack.
    """

    probability: float
    score: float
    values: Values
    state_sequences: tuple[int, ...] = ()
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Answered:
    """One answer: rows in the order that they were asked for."""

    model: str
    version: str
    learner: str
    review: float
    decline: float
    names: tuple[str, ...]
    rows: Sequence[Scored]


@dataclass(frozen=True)
class Explained:
    """Contributions of features to the uncalibrated score; `unit` is `log_odds` or `probability`."""

    version: str
    unit: str
    rows: Sequence[Sequence[float]]
    expected: Sequence[float]


class FraudPredictor:
    """The process that serves every detector."""

    def __init__(self, client: KServeClient) -> None:
        self.client = client
        self._explaining = asyncio.Semaphore(MOST_EXPLAINING)

    async def score(self, kind: Kind, records: Sequence[Mapping[str, object]], deadline: Deadline) -> Answered:
        """Score up to `MOST_ROWS` records.

        Raises:
            UpstreamError: As the client does; a model that is not served yet is unavailable, in its words.
        """
        rows = [json.dumps(record, separators=(",", ":"), allow_nan=False) for record in records]
        answer = await self._infer(kind, InferInput("record", "BYTES", (len(rows),), rows), deadline)
        return read_answer(answer, self.client.upstream.name, rows=len(rows))

    async def explain(
        self,
        kind: Kind,
        records: Sequence[Mapping[str, object]],
        rows: Sequence[Values],
        width: int,
        deadline: Deadline,
    ) -> Explained:
        """Contributions to the score of rows that were scored before, from the very features that were used.

        JSON cannot carry the NaN of a missing value: where one is missing, the rows go as their records once more,
        which is the same only for detectors whose records hold everything; cards have no missing values.
        """
        flat = [value for row in rows for value in row]
        if None in flat:
            texts = [json.dumps(record, separators=(",", ":"), allow_nan=False) for record in records]
            tensor = InferInput("record", "BYTES", (len(texts),), texts)
        else:
            tensor = InferInput("features", "FP32", (len(rows), width), [value for value in flat if value is not None])
        try:
            async with asyncio.timeout(deadline.remaining_seconds), self._explaining:
                answer = await self._infer(kind, tensor, deadline, {"explain": True})
        except TimeoutError as error:
            raise UpstreamTimeoutError(self.client.upstream.name) from error
        contributions = answer.floats("contributions", rank=2)
        expected = answer.floats("expected", rank=1)
        if contributions.shape != (len(rows), width) or expected.shape != (len(rows),):
            got = f"{list(contributions.shape)} and {list(expected.shape)}"
            reason = f"expected contributions [{len(rows)}, {width}] and expected [{len(rows)}], got {got}"
            raise UpstreamProtocolError(self.client.upstream.name, reason)
        unit = answer.text_parameter("contribution_unit")
        found = [contributions.row(place) for place in range(len(rows))]
        return Explained(answer.model_version, unit, found, expected.data)

    async def metadata(self, kind: Kind, deadline: Deadline) -> ModelMetadata:
        """What the model of a detector is."""
        try:
            return await self.client.metadata(f"fraud-{kind}", deadline)
        except UpstreamRefusedError as error:
            raise _absent(error) from error

    async def _infer(
        self,
        kind: Kind,
        tensor: InferInput,
        deadline: Deadline,
        parameters: Mapping[str, str | int | float | bool] | None = None,
    ) -> InferAnswer:
        try:
            return await self.client.infer(f"fraud-{kind}", [tensor], deadline, parameters=parameters)
        except UpstreamRefusedError as error:
            raise _absent(error) from error


def read_answer(answer: InferAnswer, service: str, *, rows: int) -> Answered:
    """Read the tensors of a scoring.

    Raises:
        UpstreamProtocolError: A tensor is absent, has another shape than the contract's, or holds what cannot be.
    """
    probability = answer.floats("probability", rank=1).data
    score = answer.floats("score", rank=1).data
    thresholds = answer.floats("thresholds", rank=1).data
    names = tuple(answer.strings("feature_names"))
    features = answer.numbers("features", rank=2)
    if len(probability) != rows or len(score) != rows or features.shape != (rows, len(names)):
        got = f"{len(probability)} probabilities, {len(score)} scores and features {list(features.shape)}"
        raise UpstreamProtocolError(service, f"expected {rows} rows of {len(names)} features, got {got}")
    if any(not 0.0 <= value <= 1.0 for value in probability):
        raise UpstreamProtocolError(service, "a probability lies outside 0 to 1")
    if len(thresholds) != 2 or thresholds[0] > thresholds[1]:
        raise UpstreamProtocolError(service, f"expected thresholds (review, decline), ascending, got {thresholds}")
    states = _states(answer, service, rows)
    extras = _extras(answer, service, rows)
    found = [
        Scored(probability[place], score[place], features.row(place), states[place], extras[place])
        for place in range(rows)
    ]
    learner = answer.text_parameter("learner") or answer.text_parameter("network")
    return Answered(answer.model_name, answer.model_version, learner, thresholds[0], thresholds[1], names, found)


def _states(answer: InferAnswer, service: str, rows: int) -> Sequence[tuple[int, ...]]:
    if not answer.has("state_sequences"):
        return [()] * rows
    found = answer.floats("state_sequences", rank=2)
    if found.shape != (rows, 2):
        raise UpstreamProtocolError(service, f"expected state_sequences [{rows}, 2], got {list(found.shape)}")
    return [tuple(int(value) for value in found.row(place)) for place in range(rows)]


def _extras(answer: InferAnswer, service: str, rows: int) -> Sequence[Mapping[str, object]]:
    if not answer.has("class_probabilities"):
        return [{}] * rows
    classes = answer.strings("attack_classes")
    shares = answer.floats("class_probabilities", rank=2)
    anomaly = answer.floats("anomaly", rank=1).data
    if shares.shape != (rows, len(classes)) or len(anomaly) != rows:
        raise UpstreamProtocolError(service, f"expected class_probabilities [{rows}, {len(classes)}] and as many rows")
    return [
        {
            "attack_class": classes[max(range(len(classes)), key=shares.row(place).__getitem__)],
            "class_probabilities": dict(zip(classes, shares.row(place), strict=True)),
            "anomaly": anomaly[place],
        }
        for place in range(rows)
    ]


def _absent(error: UpstreamRefusedError) -> UpstreamError:
    """A 404 of the predictor is a model that is not served; every other refusal stands."""
    return UpstreamUnavailableError(error.service, error.reason) if error.answered == 404 else error

"""Fraud decisions as tasks."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated

from pydantic import Discriminator, RootModel, Tag

from brain.capabilities.parts import Parts
from brain.capabilities.port import Answer, Call, Capability, Estimate
from brain.fraud.cases import CardRequest, RecordRequest, read_case, record_errors
from runtime.problems import FieldError

ESTIMATE = Estimate(seconds=0.05)
"""99 of 100 cases take less while 50 a second are decided (docs/benchmarks.md)."""


def _kind(value: object) -> str:
    kind = value.get("kind", "card") if isinstance(value, Mapping) else getattr(value, "kind", "card")
    return "card" if kind == "card" else "record"


class FraudParameters(
    RootModel[
        Annotated[
            Annotated[CardRequest, Tag("card")] | Annotated[RecordRequest, Tag("record")],
            Discriminator(_kind),
        ]
    ]
):
    """A case, as `/api/v1/fraud/analyze` takes it."""


def capabilities(parts: Parts) -> tuple[Capability, ...]:
    """`fraud_analysis`, decided and recorded as by `/api/v1/fraud/analyze`."""

    async def analyze(call: Call) -> Answer:
        case = read_case(call.parameters, caller=call.owner, idempotency_key=call.key, now=datetime.now(UTC))
        return Answer(await parts.fraud.analyst.analyze(case, call.deadline))

    return (
        Capability(
            type="fraud_analysis",
            title="Decision about a transaction, a connection or an account",
            domain="fraud",
            parameters=FraudParameters,
            check=_check,
            estimate=_estimate,
            resources={"cpu": 1.0, "memory_gb": 0.5},
            handler=analyze,
            scope="predict",
        ),
    )


def _check(parameters: Mapping[str, object]) -> Sequence[FieldError]:
    kind, record = parameters.get("kind"), parameters.get("record")
    if (kind != "network" and kind != "crypto") or not isinstance(record, Mapping):
        return ()
    return record_errors(kind, record)


def _estimate(_parameters: Mapping[str, object]) -> Estimate:
    return ESTIMATE

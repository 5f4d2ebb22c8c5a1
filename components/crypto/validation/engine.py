"""Running expectations over a data frame and reading the results, with nothing written and nothing sent."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from components.crypto.validation.outcome import Cell, CheckResult

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.expectations import Expectation

SHOWN_ROWS = 5


def run_suite(
    name: str, frame: "pd.DataFrame", expectations: "Sequence[Expectation]", key: Sequence[str]
) -> list[CheckResult]:
    """Check a data frame.

    Args:
        name: What Great Expectations calls the data, the suite and the validation.
        frame: The rows.
        expectations: Each with `check` and `says` in its `meta`.
        key: Columns that name a row in the examples.

    Returns:
        A result for each expectation, in the given order.
    """
    context = _context()
    batch = context.data_sources.add_pandas(name).add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
    import great_expectations as gx

    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=list(expectations)))
    definition = gx.ValidationDefinition(name=name, data=batch, suite=suite)
    validated = context.validation_definitions.add(definition).run(
        batch_parameters={"dataframe": frame},
        result_format={
            "result_format": "SUMMARY",
            "unexpected_index_column_names": list(key),
            "partial_unexpected_count": SHOWN_ROWS,
        },
    )
    results = {result["expectation_config"]["meta"]["check"]: result for result in _plain(validated.to_json_dict())}
    return [_read(results[expectation.meta["check"]], expectation.meta) for expectation in expectations]


def _context() -> "EphemeralDataContext":
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _plain(validated: Mapping[str, object]) -> Iterator[dict[str, dict[str, dict[str, object]]]]:
    results = validated["results"]
    yield from results if isinstance(results, list) else []


def _read(result: Mapping[str, object], meta: Mapping[str, str]) -> CheckResult:
    found = result["result"] if isinstance(result["result"], Mapping) else {}
    passed = bool(result["success"])
    unexpected = found.get("unexpected_count") or 0
    rows = found.get("partial_unexpected_index_list") or []
    return CheckResult(
        name=meta["check"],
        says=meta["says"],
        passed=passed,
        unexpected=int(unexpected),
        detail="" if passed else _detail(result, found),
        examples=[] if passed else [{k: _cell(v) for k, v in row.items()} for row in rows[:SHOWN_ROWS]],
    )


def _detail(result: Mapping[str, object], found: Mapping[str, object]) -> str:
    raised = list(_exception_messages(result.get("exception_info")))
    if raised:
        return f"could not be checked: {'; '.join(raised)[:300]}"
    if found.get("unexpected_count"):
        return f"{found['unexpected_count']:,} of {found['element_count']:,} rows do not"
    return f"found {found.get('observed_value')}"


def _exception_messages(info: object) -> Iterator[str]:
    """Great Expectations gives one exception, or a mapping of them by metric."""
    if not isinstance(info, Mapping):
        return
    if info.get("raised_exception"):
        yield str(info.get("exception_message"))
    for value in info.values():
        yield from _exception_messages(value)


def _cell(value: object) -> Cell:
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and not math.isfinite(plain):
        return str(plain)
    return plain if plain is None or isinstance(plain, str | float | int) else str(plain)

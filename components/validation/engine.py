"""Running expectations over a data frame and reading the results, with nothing written and nothing sent."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING

import numpy as np

from components.validation.outcome import Cell, CheckResult

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.data_context import EphemeralDataContext
    from great_expectations.expectations import Expectation

SHOWN_ROWS = 5

SAMPLED_FAILURES = 200
"""Broken rows that a sample for examples holds on average; so many, that it holds some for certain."""


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
    results = _run(name, frame, expectations, {"result_format": "BASIC"})
    return [
        _read(result, expectation.meta, _examples(result, frame, expectation, key))
        for result, expectation in zip(results, expectations, strict=True)
    ]


def _run(
    name: str, frame: "pd.DataFrame", expectations: "Sequence[Expectation]", result_format: Mapping[str, object]
) -> list[Mapping[str, object]]:
    """Plain results in the order of the expectations."""
    context = _context()
    import great_expectations as gx

    batch = context.data_sources.add_pandas(name).add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)
    suite = context.suites.add(gx.ExpectationSuite(name=name, expectations=list(expectations)))
    definition = context.validation_definitions.add(gx.ValidationDefinition(name=name, data=batch, suite=suite))
    validated = definition.run(
        batch_parameters={"dataframe": frame}, result_format={"partial_unexpected_count": SHOWN_ROWS, **result_format}
    )
    by_check = {result["expectation_config"]["meta"]["check"]: result for result in validated.to_json_dict()["results"]}
    return [by_check[expectation.meta["check"]] for expectation in expectations]


def _examples(
    result: Mapping[str, object], frame: "pd.DataFrame", expectation: "Expectation", key: Sequence[str]
) -> Sequence[Mapping[str, object]]:
    """A few rows that break an expectation, with their key.

    Great Expectations names rows by building a record of every one that breaks the expectation, which takes minutes
    where all of a large table do; so the expectation is asked again over a sample that holds about enough of them.
    """
    found = _found(result)
    unexpected = _count(found)
    if result["success"] or not unexpected:
        return []
    listed = found["partial_unexpected_list"]
    if isinstance(listed, list) and isinstance(listed[0], Mapping):
        return listed
    size = min(len(frame), math.ceil(len(frame) / unexpected * SAMPLED_FAILURES))
    sample = frame.sample(size, random_state=0).sort_index()
    named = {"result_format": "SUMMARY", "unexpected_index_column_names": list(key)}
    again = _found(_run("sample", sample, [copy(expectation)], named)[0])
    rows = again.get("partial_unexpected_index_list")
    return [{**{name: row[name] for name in key}, **row} for row in rows] if isinstance(rows, list) else []


def _context() -> "EphemeralDataContext":
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _found(result: Mapping[str, object]) -> Mapping[str, object]:
    found = result["result"]
    return found if isinstance(found, Mapping) else {}


def _count(found: Mapping[str, object]) -> int:
    count = found.get("unexpected_count")
    return count if isinstance(count, int) else 0


def _read(
    result: Mapping[str, object], meta: Mapping[str, str], examples: Sequence[Mapping[str, object]]
) -> CheckResult:
    passed = bool(result["success"])
    return CheckResult(
        name=meta["check"],
        says=meta["says"],
        passed=passed,
        unexpected=_count(_found(result)),
        detail="" if passed else _detail(result, _found(result)),
        examples=[{name: _cell(value) for name, value in row.items()} for row in examples[:SHOWN_ROWS]],
    )


def _detail(result: Mapping[str, object], found: Mapping[str, object]) -> str:
    raised = list(_exception_messages(result.get("exception_info")))
    if raised:
        return f"could not be checked: {'; '.join(raised)[:300]}"
    if "element_count" in found:
        return f"{found['unexpected_count']:,} of {found['element_count']:,} rows break this"
    observed = found.get("observed_value")
    return f"found {found.get('partial_unexpected_list') if observed is None else observed}"


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

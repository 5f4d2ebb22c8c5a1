"""Each kind of bad data makes exactly the checks fail that are about it."""

import json
import math
import re
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.fraud.prepare import prepare_table
from components.fraud.validation import Tolerance, ValidationError, ValidationOutcome, validate_table
from runtime.settings import REPOSITORY_ROOT
from tests.components.fraud.validation.conftest import CLOCK, DAYS, ROWS, encoded, write

Damage = Callable[[pd.DataFrame], pd.DataFrame]
HOUR = timedelta(hours=1)


def check(frame: pd.DataFrame, folder: Path, clock: datetime = CLOCK) -> ValidationOutcome:
    return validate_table(write(frame, folder), folder / "report.html", detector="card", clock=clock)


def names(outcome: ValidationOutcome) -> list[str]:
    return [failure.name for failure in outcome.failures]


def with_cell(row: int, column: str, value: object) -> Damage:
    def damage(frame: pd.DataFrame) -> pd.DataFrame:
        changed = frame.copy()
        changed[column] = changed[column].astype(object) if value is None else changed[column]
        changed.loc[row, column] = value
        return changed

    return damage


def swapped(frame: pd.DataFrame) -> pd.DataFrame:
    order = np.arange(len(frame))
    order[[10, 11]] = [11, 10]
    return frame.iloc[order]


def label_at(row: int, shift: timedelta) -> Damage:
    return lambda frame: with_cell(row, "label_known_at", frame.loc[row, "label_known_at"] + shift)(frame)


DAMAGES: dict[str, tuple[Damage, list[str]]] = {
    "an id twice": (with_cell(9, "transaction_id", "t00008"), ["unique_transactions"]),
    "no customer": (with_cell(9, "customer_id", None), ["no_null_customer_id"]),
    "a negative amount": (with_cell(9, "amount_minor", -1), ["amounts_not_negative"]),
    "another currency": (with_cell(9, "currency", "USD"), ["currency"]),
    "disorder": (swapped, ["sorted"]),
    "a truth that is none": (with_cell(9, "fraud", 2), ["truth"]),
    "a label without its time": (with_cell(9, "label_known_at", pd.NaT), ["labels_have_times"]),
    "a time without a label": (with_cell(9, "fraud", pd.NA), ["labels_have_times"]),
    "a label an hour early": (label_at(9, -HOUR), ["labels_not_early"]),
    "a label from the future": (label_at(9, timedelta(days=365)), ["no_future_labels"]),
    "no frauds": (lambda frame: frame.assign(fraud=frame.fraud * 0), ["enough_frauds", "fraud_share"]),
    "nothing but frauds": (lambda frame: frame.assign(fraud=frame.fraud * 0 + 1), ["fraud_share"]),
    "a short history": (lambda frame: frame[frame.occurred_at > CLOCK - timedelta(days=60)], ["enough_history"]),
}


@pytest.mark.parametrize(("damage", "expected"), DAMAGES.values(), ids=DAMAGES)
def test_a_kind_of_bad_data_fails_exactly_its_checks(
    transactions: pd.DataFrame, tmp_path: Path, damage: Damage, expected: list[str]
) -> None:
    outcome = check(damage(transactions), tmp_path)

    assert (names(outcome), outcome.passed) == (expected, False)


def test_flawless_transactions_pass_and_are_measured(transactions: pd.DataFrame, tmp_path: Path) -> None:
    outcome = check(transactions, tmp_path)

    found = outcome.statistics
    assert outcome.passed and outcome.failures == []
    assert (found.rows, found.labelled) == (ROWS, int(transactions.fraud.notna().sum()))
    assert found.frauds == int((transactions.fraud == 1).sum())
    assert (len(found.rows_by_day), sum(found.rows_by_day)) == (DAYS, ROWS)
    assert [one.kind for one in found.kinds] == ["stolen_card", "card_testing"]
    plain = json.loads(json.dumps(outcome.to_dict(), allow_nan=False))
    assert plain["statistics"]["last"].startswith("2026-03-31")


def test_the_future_begins_at_the_clock(transactions: pd.DataFrame, tmp_path: Path) -> None:
    outcome = check(transactions, tmp_path, clock=CLOCK - timedelta(days=1))

    assert names(outcome) == ["no_future", "no_future_labels"]
    assert outcome.failures[0].examples[0]["transaction_id"]


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda table: table.drop_columns(["currency"]), "columns"),
        (lambda table: table.append_column("amount", pa.nulls(len(table))), "columns"),
        (lambda table: table.set_column(4, "amount_minor", table["amount_minor"].cast(pa.float64())), "types"),
        (lambda table: table.set_column(1, "occurred_at", table["occurred_at"].cast(pa.timestamp("us"))), "types"),
    ],
    ids=["column missing", "column too many", "amounts with a fraction", "no time zone"],
)
def test_a_wrong_schema_fails_before_anything_else_is_looked_at(
    transactions: pd.DataFrame, tmp_path: Path, damage: Callable[[pa.Table], pa.Table], expected: str
) -> None:
    path = write(transactions, tmp_path)
    pq.write_table(damage(pq.read_table(path)), path)

    outcome = validate_table(path, tmp_path / "report.html", detector="card", clock=CLOCK)

    assert expected in names(outcome)
    assert {result.name for result in outcome.checks} == {"columns", "types"}


def set_column(name: str, change: Callable[[pa.ChunkedArray], list[object]]) -> Callable[[pa.Table], pa.Table]:
    def damage(table: pa.Table) -> pa.Table:
        field = table.schema.field(name)
        return table.set_column(table.column_names.index(name), field, pa.array(change(table[name]), field.type))

    return damage


def first(value: object) -> Callable[[pa.ChunkedArray], list[object]]:
    return lambda column: [value, *column.to_pylist()[1:]]


@pytest.mark.parametrize(
    ("detector", "damage", "expected"),
    [
        ("network", lambda table: table, []),
        ("crypto", lambda table: table, []),
        ("network", set_column("row_id", first("r1")), ["unique_rows"]),
        ("network", set_column("attack_class", first("unheard of")), ["known_attack_class"]),
        ("network", set_column("src_bytes", first(math.inf)), ["finite"]),
        ("network", set_column("src_bytes", first(math.nan)), ["complete"]),
        ("crypto", set_column("group", first(None)), ["no_null_group"]),
        ("crypto", set_column("fraud", lambda column: [0] * len(column)), ["enough_frauds", "fraud_share"]),
    ],
    ids=["flows", "accounts", "a row twice", "an attack of no class", "infinite", "missing", "no group", "no frauds"],
)
def test_flows_and_accounts_are_held_to_suites_of_their_own(
    tmp_path: Path, detector: str, damage: Callable[[pa.Table], pa.Table], expected: list[str]
) -> None:
    pq.write_table(damage(encoded(detector)), tmp_path / "table.parquet")

    outcome = validate_table(tmp_path / "table.parquet", tmp_path / "report.html", detector=detector, clock=CLOCK)

    assert names(outcome) == expected


@pytest.mark.parametrize(
    ("detector", "folder"),
    [pytest.param("network", "intrusion_nsl_kdd", marks=pytest.mark.slow), ("crypto", "fraud_ethereum")],
)
def test_the_public_sets_pass(tmp_path: Path, detector: str, folder: str) -> None:
    source = REPOSITORY_ROOT.parent / "shared" / "data" / folder
    if not source.is_dir():
        pytest.skip(f"{source} is not here; the set is not part of the repository")
    prepare_table(detector, str(source), tmp_path / "table", profile="quick", until=CLOCK, seed=0)

    assert validate_table(tmp_path / "table", tmp_path / "report.html", detector=detector, clock=CLOCK).passed


def test_the_page_is_one_file_that_says_what_failed(transactions: pd.DataFrame, tmp_path: Path) -> None:
    check(with_cell(9, "amount_minor", -5)(transactions), tmp_path)

    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<title>Transactions: failed</title>" in page
    assert "<code>amounts_not_negative</code>" in page and "<td>-5</td>" in page and "t00009" in page
    assert page.count("<rect") >= DAYS
    assert not re.search(r"https?://|<script|<link", page)


def test_a_tolerance_may_be_given(transactions: pd.DataFrame, tmp_path: Path) -> None:
    early = label_at(9, -HOUR)(transactions)
    lenient = Tolerance(min_fraud_share=0.0, max_fraud_share=0.001, min_label_delay_seconds=0)

    outcome = validate_table(
        write(early, tmp_path), tmp_path / "report.html", detector="card", clock=CLOCK, tolerance=lenient
    )

    assert names(outcome) == ["fraud_share"]


def test_what_cannot_be_validated_is_an_error_and_not_a_failed_check(
    transactions: pd.DataFrame, tmp_path: Path
) -> None:
    with pytest.raises(ValidationError, match=r"cannot read .*absent\.parquet"):
        validate_table(tmp_path / "absent.parquet", tmp_path / "r.html", detector="card", clock=CLOCK)
    with pytest.raises(ValueError, match="no detector 'cards'; choose one of card, network, crypto"):
        validate_table(write(transactions, tmp_path), tmp_path / "r.html", detector="cards", clock=CLOCK)
    with pytest.raises(ValueError, match="no time zone"):
        check(transactions, tmp_path, clock=datetime(2026, 4, 1))  # noqa: DTZ001

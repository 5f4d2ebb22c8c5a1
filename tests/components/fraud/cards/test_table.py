from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.fraud.cards.table import TRANSACTION_SCHEMA, TransactionsError, read_batches
from tests.components.fraud.cards.conftest import Row, write_rows

NOON_US = 1_767_268_800_000_000


def changed(path: Path, name: str, values: pa.Array) -> Path:
    """The file with other values in one column."""
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(name), name, values), path)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rows = [Row(f"T{i}", NOON_US + i, "a", "x", 100) for i in range(3)]
    return write_rows(tmp_path / "transactions.parquet", rows)


def test_other_widths_and_units_are_brought_to_the_schema(path: Path) -> None:
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    changed(path, "amount_minor", pa.array([1, 2, 3], pa.int32()))
    changed(path, "occurred_at", pa.array([noon] * 3, pa.timestamp("ns", tz="UTC")))
    (batch,) = read_batches(path)
    assert batch.schema.equals(TRANSACTION_SCHEMA)
    assert batch["occurred_at"][0].as_py() == noon


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("amount_minor", pa.array([1.5, 2.0, 3.0])),
        ("amount_minor", pa.array([1, None, 3])),
        ("occurred_at", pa.array(["noon", "noon", "noon"])),
        ("customer_id", pa.array(["a", None, "a"])),
    ],
)
def test_values_that_no_transaction_has_are_refused(path: Path, name: str, values: pa.Array) -> None:
    with pytest.raises(TransactionsError, match="cannot be read as transactions"):
        list(read_batches(changed(path, name, values)))


def test_missing_columns_are_named(path: Path) -> None:
    pq.write_table(pq.read_table(path).drop_columns(["currency"]), path)
    with pytest.raises(TransactionsError, match="lacks \\['currency'\\]"):
        list(read_batches(path))

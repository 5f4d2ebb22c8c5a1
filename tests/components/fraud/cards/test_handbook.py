from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.fraud.cards.handbook import load_handbook
from components.fraud.cards.history import build_history
from components.fraud.cards.table import TRANSACTION_SCHEMA, TransactionsError
from runtime.settings import REPOSITORY_ROOT

HANDBOOK = REPOSITORY_ROOT.parent / "shared" / "data" / "fraud_card_handbook"
SUNDAY_MS = 1_522_540_800_000
"""1 April 2018, midnight UTC."""


def raw() -> pa.Table:
    """Three rows with the Handbook's columns and types, out of order within a second."""
    return pa.table(
        {
            "TRANSACTION_ID": pa.array([10, 9, 11], pa.int32()),
            "TX_DATETIME": pa.array([SUNDAY_MS + 31_000, SUNDAY_MS + 31_000, SUNDAY_MS + 59_000], pa.timestamp("ms")),
            "CUSTOMER_ID": pa.array([596, 4961, 2], pa.int32()),
            "TERMINAL_ID": pa.array([3156, 3412, 1365], pa.int32()),
            "TX_AMOUNT": [57.16, 81.51, 220.29],
            "TX_FRAUD": pa.array([0, 0, 1], pa.int8()),
            "TX_FRAUD_SCENARIO": pa.array([0, 0, 1], pa.int8()),
        }
    )


def test_rows_become_transactions_whose_labels_are_known_a_week_later(tmp_path: Path) -> None:
    pq.write_table(raw(), tmp_path / "raw.parquet")
    assert load_handbook(tmp_path / "raw.parquet", tmp_path / "out.parquet") == 3
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.schema.equals(TRANSACTION_SCHEMA)
    assert table["transaction_id"].to_pylist() == ["P000000009", "P000000010", "P000000011"]
    assert table["amount_minor"].to_pylist() == [8151, 5716, 22029]
    assert table["pattern"].to_pylist() == ["", "", "large_amount"]
    assert table["fraud"].to_pylist() == [0, 0, 1]
    first = table.slice(0, 1).to_pylist()[0]
    assert first["occurred_at"].isoformat() == "2018-04-01T00:00:31+00:00"
    assert first["label_known_at"].isoformat() == "2018-04-08T00:00:31+00:00"


def test_missing_columns_and_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="give the file or its folder"):
        load_handbook(tmp_path, tmp_path / "out.parquet")
    pq.write_table(raw().drop_columns(["TX_AMOUNT"]), tmp_path / "raw.parquet")
    with pytest.raises(TransactionsError, match="lacks \\['TX_AMOUNT'\\]"):
        load_handbook(tmp_path, tmp_path / "out.parquet")


@pytest.mark.slow
def test_the_whole_set_becomes_a_history(tmp_path: Path) -> None:
    if not HANDBOOK.is_dir():
        pytest.skip("the Handbook's set is not beside this repository, in shared/data/fraud_card_handbook")
    rows = load_handbook(HANDBOOK, tmp_path / "transactions.parquet")
    report = build_history(tmp_path / "transactions.parquet", tmp_path / "features.parquet")
    assert report.rows == rows == 1_466_282
    assert 0.008 < report.frauds / rows < 0.009

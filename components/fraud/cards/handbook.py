"""The simulated set of the Fraud Detection Handbook (Le Borgne et al., 2022) as a table of transactions.

The set itself is not part of this repository: its licence is not stated. It comes from a path that is given.
"""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.fraud.cards.table import TIMESTAMP, TRANSACTION_SCHEMA, TransactionsError
from feature_repo.fraud import LABEL_DELAY_SECONDS

SCENARIOS = ("", "large_amount", "compromised_terminal", "stolen_card")
"""What the numbers of `TX_FRAUD_SCENARIO` stand for; 0 is genuine."""

_COLUMNS = (
    "TRANSACTION_ID",
    "TX_DATETIME",
    "CUSTOMER_ID",
    "TERMINAL_ID",
    "TX_AMOUNT",
    "TX_FRAUD",
    "TX_FRAUD_SCENARIO",
)


def load_handbook(source: Path, output: Path) -> int:
    """Write the set as a table of transactions in euro cents; every label is known seven days after.

    Args:
        source: A Parquet file, or a folder of such files, with the Handbook's columns.
        output: Where the `transactions` table goes; replaced if it exists.

    Returns:
        Number of rows.

    Raises:
        FileNotFoundError: There is nothing to read.
        TransactionsError: Columns are missing.
    """
    files = sorted(source.glob("*.parquet")) if source.is_dir() else [source]
    if not files or not files[0].exists():
        raise FileNotFoundError(f"no Parquet file of the Handbook's set at {source}; give the file or its folder")
    raw = pa.concat_tables(_read(file) for file in files)
    occurred = raw["TX_DATETIME"].cast(pa.timestamp("us")).cast(TIMESTAMP)
    delay = pa.scalar(LABEL_DELAY_SECONDS * 1_000_000, pa.duration("us"))
    columns = {
        # Ids are padded, so that their order as text is that of the numbers.
        "transaction_id": _named("P", raw["TRANSACTION_ID"], 9),
        "occurred_at": occurred,
        "customer_id": _named("C", raw["CUSTOMER_ID"], 6),
        "terminal_id": _named("T", raw["TERMINAL_ID"], 6),
        "amount_minor": pc.round(pc.multiply(raw["TX_AMOUNT"], 100.0)).cast(pa.int64()),
        "currency": pa.array(["EUR"]).take(pa.array([0] * len(raw))),
        "fraud": raw["TX_FRAUD"].cast(pa.int8()),
        "label_known_at": pc.add(occurred, delay),
        "pattern": pa.array(SCENARIOS).take(raw["TX_FRAUD_SCENARIO"].cast(pa.int8()).combine_chunks()),
    }
    table = pa.table(list(columns.values()), schema=TRANSACTION_SCHEMA)
    table = table.sort_by([("occurred_at", "ascending"), ("transaction_id", "ascending")])
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    pq.write_table(table, partial, compression="zstd", row_group_size=250_000)
    partial.replace(output)
    return len(table)


def _read(file: Path) -> pa.Table:
    found = pq.read_schema(file).names
    missing = [name for name in _COLUMNS if name not in found]
    if missing:
        raise TransactionsError(f"{file} lacks {missing} of the Handbook's columns; received {found}")
    return pq.read_table(file, columns=list(_COLUMNS))


def _named(letter: str, numbers: pa.ChunkedArray, digits: int) -> pa.ChunkedArray:
    return pc.binary_join_element_wise(letter, pc.utf8_lpad(numbers.cast(pa.string()), digits, "0"), "")

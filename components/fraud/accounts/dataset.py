"""Ethereum accounts from a published table to table `accounts`."""

from pathlib import Path

from components.fraud.accounts.fields import ADDRESS_COLUMN, COLUMNS, FIELDS, FRAUD_COLUMN
from components.fraud.detectors import DETECTORS
from components.fraud.encoded_table import TableReport, check_columns, write_encoded
from components.fraud.encoding import encode_columns


def write_accounts(source: Path, output: Path) -> TableReport:
    """Read the published table and write table `accounts`; an address that occurs twice is one group.

    Args:
        source: Parquet with the published columns.
        output: Parquet; replaced if it exists.

    Raises:
        TableError: A column is missing.
    """
    import pandas as pd

    used = [field.name for field in FIELDS if field.features]
    frame = pd.read_parquet(source)
    check_columns(source, frame, [ADDRESS_COLUMN, FRAUD_COLUMN, *(COLUMNS[name] for name in used)])
    address = frame[ADDRESS_COLUMN]
    keys = {
        "row_id": address + ":" + address.groupby(address).cumcount().astype(str),
        "group": address,
    }
    detector = DETECTORS["crypto"]
    features = encode_columns(detector.fields, {name: frame[COLUMNS[name]].to_numpy() for name in used})
    return write_encoded(detector, keys, features, frame[FRAUD_COLUMN] == 1, output)

"""Flawless transactions, flows and accounts, small and made from nothing but the tables' own shapes."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.fraud.cards.table import TRANSACTION_SCHEMA
from components.fraud.detectors import DETECTORS
from components.fraud.network.fields import ATTACK_CLASSES
from feature_repo.fraud import LABEL_DELAY_SECONDS

CLOCK = datetime(2026, 4, 1, tzinfo=UTC)
DAYS = 90
ROWS = 3_000


@pytest.fixture(scope="session")
def transactions() -> pd.DataFrame:
    """3,000 transactions over the 90 days before the clock, 3 % of them frauds, the last week unlabelled."""
    generator = np.random.default_rng(3)
    seconds = np.sort(generator.integers(0, DAYS * 86_400, ROWS)) - DAYS * 86_400
    occurred = pd.Series([CLOCK + timedelta(seconds=int(second)) for second in seconds]).dt.as_unit("us")
    known = occurred + pd.Timedelta(seconds=LABEL_DELAY_SECONDS)
    pattern = generator.choice(["", "stolen_card", "card_testing"], ROWS, p=[0.97, 0.02, 0.01])
    mature = known <= CLOCK
    return pd.DataFrame(
        {
            "transaction_id": [f"t{number:05}" for number in range(ROWS)],
            "occurred_at": occurred,
            "customer_id": [f"c{number}" for number in generator.integers(0, 200, ROWS)],
            "terminal_id": [f"m{number}" for number in generator.integers(0, 40, ROWS)],
            "amount_minor": generator.integers(0, 20_000, ROWS),
            "currency": "EUR",
            "fraud": pd.Series((pattern != "").astype("int8")).astype("Int8").where(mature),
            "label_known_at": known.where(mature),
            "pattern": pattern,
        }
    )


def encoded(detector: str, rows: int = 400) -> pa.Table:
    """A table of flows or accounts with random features."""
    generator = np.random.default_rng(4)
    fraud = generator.random(rows) < 0.4
    columns: dict[str, pa.Array] = {
        "row_id": pa.array([f"r{number}" for number in range(rows)]),
        "group": pa.array([f"g{number // 2}" for number in range(rows)]),
    }
    if detector == "network":
        classes = np.where(fraud, ATTACK_CLASSES[1], ATTACK_CLASSES[0])
        columns |= {
            "attack": pa.array(np.where(fraud, "neptune", "normal")),
            "attack_class": pa.array(classes),
            "part": pa.array(["train"] * rows),
        }
    for name in DETECTORS[detector].feature_names:
        columns[name] = pa.array(generator.random(rows), pa.float32())
    return pa.table({**columns, "fraud": pa.array(fraud.astype(np.int8), pa.int8())})


def write(frame: pd.DataFrame, folder: Path) -> Path:
    """As table `transactions`, column types included; what the schema does not allow to be missing may be here."""
    loose = pa.schema([pa.field(field.name, field.type) for field in TRANSACTION_SCHEMA])
    path = folder / "transactions.parquet"
    pq.write_table(pa.Table.from_pandas(frame, schema=loose, preserve_index=False), path)
    return path

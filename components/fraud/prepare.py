"""What a detector is trained on: the simulator's cards, or a public set from a path, as its table."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from components.fraud.detectors import DETECTORS, TRAIN_COMMAND

ROWS: Mapping[str, int] = {"quick": 200_000, "full": 2_000_000}
"""Simulated transactions by profile."""

HANDBOOK_COLUMN = "TX_DATETIME"
ACCOUNTS_FILE = "ethereum_accounts.parquet"

_SETS = {
    "network": "a folder with NSL-KDD as kdd_train_plus.parquet and kdd_test_plus.parquet",
    "crypto": f"the Ethereum fraud set as Parquet, or a folder with {ACCOUNTS_FILE}",
}


class MissingDataError(FileNotFoundError):
    """A detector needs a set that is not shipped; the message says which and how to name it."""


@dataclass(frozen=True)
class Prepared:
    """A table was written: where it came from, for people, and how many rows it has."""

    source: str
    rows: int


def prepare_table(
    detector: str, data: str, output: Path, *, profile: str, until: datetime, seed: int, rows: int = 0
) -> Prepared:
    """Write the `transactions`, `flows` or `accounts` table of a detector.

    Args:
        detector: `card`, `network` or `crypto`.
        data: Path of a set; for cards a `transactions` table, or the Handbook's file or folder, and empty for the
            simulator.
        output: Parquet; replaced if it exists.
        profile: `quick` or `full`: how many transactions are simulated.
        until: Where the simulation ends, with a time zone.
        seed: Of the simulation.
        rows: Simulated transactions; 0 follows the profile.

    Raises:
        MissingDataError: The detector needs a set, and none was named or nothing is there.
        ValueError: What is there is not the detector's set.
    """
    if detector not in DETECTORS:
        raise ValueError(f"there is no detector {detector!r}; choose one of {', '.join(DETECTORS)}")
    output.parent.mkdir(parents=True, exist_ok=True)
    if detector == "card" and not data:
        return _simulated(output, rows or ROWS[profile], until, seed)
    source = Path(data).expanduser()
    if not data or not source.exists():
        raise MissingDataError(_how_to_name(detector, data))
    if detector == "card":
        return _cards(source, output)
    if detector == "network":
        from components.fraud.network.dataset import write_flows

        return Prepared(str(source), write_flows(source, output).rows)
    from components.fraud.accounts.dataset import write_accounts

    file = source / ACCOUNTS_FILE if source.is_dir() else source
    if not file.is_file():
        raise MissingDataError(_how_to_name(detector, data))
    return Prepared(str(file), write_accounts(file, output).rows)


def _simulated(output: Path, rows: int, until: datetime, seed: int) -> Prepared:
    from components.fraud.cards.simulator import simulate

    made = simulate(output, end=until, rows=rows, seed=seed)
    return Prepared(f"simulator, seed {seed}", made.rows)


def _cards(source: Path, output: Path) -> Prepared:
    import pyarrow.parquet as pq

    files = sorted(source.glob("*.parquet")) if source.is_dir() else [source]
    if not files:
        raise MissingDataError(f"{source} holds no Parquet file; name a transactions table or the Handbook's set")
    if HANDBOOK_COLUMN in pq.read_schema(files[0]).names:
        from components.fraud.cards.handbook import load_handbook

        return Prepared(f"{source}, the Handbook's set", load_handbook(source, output))
    if len(files) != 1:
        raise ValueError(f"{source} holds {len(files)} Parquet files; a transactions table is one file, name it")
    shutil.copyfile(files[0], output)
    return Prepared(str(files[0]), _rows(output))


def _rows(table: Path) -> int:
    import pyarrow.parquet as pq

    return int(pq.read_metadata(table).num_rows)


def _how_to_name(detector: str, data: str) -> str:
    needed = _SETS.get(detector, "a transactions table or the Handbook's set; or leave data out for the simulator")
    received = f"nothing is at {data!r}" if data else "no path was given"
    return (
        f"the {detector} detector is trained on {needed}, which is not shipped, and {received}; run: "
        f"{TRAIN_COMMAND} --param detector={detector} --param data=PATH"
    )

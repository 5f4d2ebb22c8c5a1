"""Rows of a training table as arrays."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from components.fraud.detectors import Detector
from components.fraud.encoded_table import DIGEST_KEY
from components.fraud.training.errors import TrainingError

AMOUNT, ATTACK_CLASS = "amount_minor", "attack_class"


@dataclass(frozen=True)
class Rows:
    """N rows of a table, in its order.

    Attributes:
        features: float32 [N, F]; NaN is missing.
        fraud: int8 [N]; -1 is unknown.
        amount_minor: int64 [N], or None where the table has no amounts.
        attack_class: text [N], or None where the table has no attacks.
    """

    features: npt.NDArray[np.float32]
    fraud: npt.NDArray[np.int8]
    amount_minor: npt.NDArray[np.int64] | None = None
    attack_class: npt.NDArray[Any] | None = None

    def __len__(self) -> int:
        return len(self.fraud)

    def __getitem__(self, mask: npt.NDArray[Any]) -> "Rows":
        optional = (self.amount_minor, self.attack_class)
        return Rows(self.features[mask], self.fraud[mask], *(None if a is None else a[mask] for a in optional))


def load_rows(table: Path, detector: Detector) -> Rows:
    """Read a table of encoded rows.

    Raises:
        TrainingError: Its features are other ones than the detector's.
    """
    import pyarrow.parquet as pq

    schema = pq.read_schema(table)
    digest = (schema.metadata or {}).get(DIGEST_KEY, b"").decode()
    if digest != detector.feature_digest:
        raise TrainingError(
            f"{table} was built by feature definitions {digest or 'that it does not name'}, this code's are "
            f"{detector.feature_digest}; build the features again"
        )
    missing = [name for name in (*detector.feature_names, "fraud") if name not in schema.names]
    if missing:
        raise TrainingError(f"{table} lacks the columns {', '.join(missing)}; build the features again")
    optional = [name for name in (AMOUNT, ATTACK_CLASS) if name in schema.names]
    columns = pq.read_table(table, columns=[*detector.feature_names, "fraud", *optional])
    features = np.empty((len(columns), len(detector.feature_names)), dtype=np.float32)
    for at, name in enumerate(detector.feature_names):
        features[:, at] = columns[name].to_numpy()
    return Rows(
        features,
        columns["fraud"].fill_null(-1).to_numpy().astype(np.int8),
        columns[AMOUNT].to_numpy() if AMOUNT in optional else None,
        columns[ATTACK_CLASS].to_numpy() if ATTACK_CLASS in optional else None,
    )

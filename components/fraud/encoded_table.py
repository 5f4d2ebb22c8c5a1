"""Tables of encoded rows: flows and accounts as training reads them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from components.fraud.detectors import Detector
    from components.fraud.encoding import Float32Array

DIGEST_KEY = b"feature_digest"


class TableError(ValueError):
    """A published set, or a table made from one, that does not hold what it should."""


@dataclass(frozen=True)
class TableReport:
    """What was written: rows, frauds among them and the digest of their encoding."""

    rows: int
    frauds: int
    feature_digest: str


def check_columns(source: Path, frame: "pd.DataFrame", wanted: Sequence[str]) -> None:
    """Raise TableError, naming them, where columns are missing or a table is empty."""
    missing = [name for name in wanted if name not in frame]
    if missing or frame.empty:
        raise TableError(
            f"{source} holds {len(frame)} rows and lacks the columns {missing}; point to the published set itself"
        )


def write_encoded(
    detector: "Detector",
    keys: Mapping[str, "Sequence[str] | pd.Series[Any]"],
    features: "Float32Array",
    fraud: "npt.ArrayLike",
    output: Path,
) -> TableReport:
    """Write `row_id`, `group` and further text columns, a float32 column a feature and `fraud` as Parquet.

    Args:
        detector: Whose features they are.
        keys: Text columns, [N] each; `row_id` and `group` among them.
        features: [N, F] in the order of the detector's feature names; NaN is missing.
        fraud: [N].
        output: Replaced if it exists.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    labels = np.asarray(fraud, dtype=np.int8)
    columns = {name: pa.array(values, pa.string()) for name, values in keys.items()}
    columns |= {name: pa.array(features[:, at], pa.float32()) for at, name in enumerate(detector.feature_names)}
    table = pa.table({**columns, "fraud": pa.array(labels, pa.int8())})
    table = table.replace_schema_metadata({DIGEST_KEY: detector.feature_digest.encode()})
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(output.name + ".partial")
    pq.write_table(table, partial)
    partial.replace(output)
    return TableReport(len(table), int(labels.sum()), detector.feature_digest)

"""The three tables that are checked: the schema, the candles themselves, and a row a series."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from components.crypto.candles.port import CandleError
from components.crypto.series import Timeframe
from components.crypto.validation.outcome import SeriesStatistics
from runtime.moments import microseconds, moment

if TYPE_CHECKING:
    import pandas as pd


def read_table(candles: Path) -> pa.Table:
    """Read a Parquet file, whatever its columns.

    Raises:
        CandleError: There is no such file, or it is not Parquet.
    """
    try:
        return pq.ParquetFile(candles).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise CandleError(f"cannot read the candles in {candles}: {error}; expected a Parquet file") from error


def schema_frame(table: pa.Table) -> "pd.DataFrame":
    """A row a column: `column`, `type`."""
    import pandas as pd

    return pd.DataFrame({"column": table.schema.names, "type": [str(kind) for kind in table.schema.types]})


def series_statistics(table: pa.Table, timeframe: Timeframe, source_clock: datetime) -> list[SeriesStatistics]:
    """Measure each series; rows without an identity or a time are left out."""
    return [_measure(unique_id, opened, timeframe, source_clock) for unique_id, opened in opened_by_series(table)]


def opened_by_series(table: pa.Table) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Identity and open times, microseconds in the table's order, of each series, sorted by identity."""
    keyed = table.select(["unique_id", "ds"]).drop_null()
    opened = keyed.column("ds").cast(pa.int64()).to_numpy().astype(np.int64)
    coded = keyed.column("unique_id").combine_chunks().dictionary_encode()
    names, codes = coded.dictionary.to_pylist(), coded.indices.to_numpy()
    for code, name in sorted(enumerate(names), key=lambda item: str(item[1])):
        yield name, opened[codes == code]


def series_frame(statistics: Sequence[SeriesStatistics]) -> "pd.DataFrame":
    """A row a series with the fields of `SeriesStatistics`."""
    import pandas as pd

    names = list(SeriesStatistics.__dataclass_fields__)
    return pd.DataFrame([[getattr(series, name) for name in names] for series in statistics], columns=names).astype(
        {"age_bars": "float64"}
    )


def _measure(
    unique_id: str, opened: NDArray[np.int64], timeframe: Timeframe, source_clock: datetime
) -> SeriesStatistics:
    step = timeframe.microseconds
    aligned = opened % step == 0
    bars = np.unique(opened[aligned])
    expected = int(bars[-1] - bars[0]) // step + 1 if len(bars) else 0
    return SeriesStatistics(
        unique_id=unique_id,
        bars=len(bars),
        first=moment(int(bars[0])) if expected else None,
        last=moment(int(bars[-1])) if expected else None,
        missing_bars=expected - len(bars),
        missing_fraction=(expected - len(bars)) / expected if expected else 0.0,
        longest_gap_bars=int(np.max(np.diff(bars), initial=step)) // step - 1,
        age_bars=(microseconds(source_clock) - int(bars[-1]) - step) / step if expected else None,
        misaligned=int(np.sum(~aligned)),
        disordered=int(np.sum(np.diff(opened) < 0)),
    )

"""Is one model better than another, and how sure is that: paired, on the same rows, with a block bootstrap."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from components.release.errors import GateError
from runtime.bootstrap import BootstrapError, block_bootstrap_means, percentile_interval, time_blocks

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Float64Array = NDArray[np.float64]

NAME = "candidate"
LOSS = "loss"
TIME = "ds"


@dataclass(frozen=True)
class Comparison:
    """How much the loss changes when `b` gives way to `a`; below zero is better.

    Attributes:
        a: The one that is judged.
        b: The one it is measured against.
        mean_difference: Mean loss of `a` minus that of `b`, on the same rows.
        relative: Mean loss of `a` over that of `b`, minus one.
        low: Lower end of the interval of `relative`.
        high: Upper end.
        confidence: Of the interval.
        n: Compared rows.
        blocks: Time blocks that were resampled.
    """

    a: str
    b: str
    mean_difference: float
    relative: float
    low: float
    high: float
    confidence: float
    n: int
    blocks: int


def compare(
    losses: Path,
    a: str,
    b: str,
    *,
    block_seconds: int,
    confidence: float = 0.95,
    resamples: int = 1000,
    seed: int = 0,
) -> Comparison:
    """Compare two entrants of a losses table.

    Rows are matched by every column but `candidate` and `loss`. Time is cut into blocks of `block_seconds` by `ds`; all
    series of a block are drawn together, so that dependence over time and between series stays in every resample.

    Args:
        losses: Parquet with `candidate`, `ds`, `loss` and further key columns; its schema metadata may name the loss.
        a: The one that is judged.
        b: The one it is measured against.
        block_seconds: Length of a block; at least the longest horizon.
        confidence: Of the two-sided percentile interval.
        resamples: How many resamples.
        seed: The same seed draws the same blocks.

    Raises:
        GateError: An entrant has no rows, the rows are not the same, or they are too few.
    """
    import numpy as np

    first, second = read_losses(losses, a), read_losses(losses, b)
    _same_rows(first, second, a, b)
    pair = np.stack([_column(first, LOSS), _column(second, LOSS)], axis=1)
    blocks = time_blocks(first.column(TIME).combine_chunks().to_numpy(zero_copy_only=False), block_seconds)
    try:
        samples = block_bootstrap_means(pair, blocks, resamples=resamples, seed=seed)
    except BootstrapError as error:
        raise GateError(f"{a!r} and {b!r} cannot be compared: {error}") from error
    mean_a, mean_b = pair.mean(axis=0)
    if mean_b <= 0:
        raise GateError(f"the mean loss of {b!r} is {mean_b}; a relative comparison needs one above zero")
    low, high = percentile_interval(samples[:, 0] / samples[:, 1] - 1.0, confidence).ravel()
    return Comparison(
        a=a,
        b=b,
        mean_difference=float(mean_a - mean_b),
        relative=float(mean_a / mean_b - 1.0),
        low=float(low),
        high=float(high),
        confidence=confidence,
        n=len(pair),
        blocks=len(np.unique(blocks)),
    )


def mean_losses(losses: Path) -> dict[str, float]:
    """Mean loss of every entrant of a losses table, by name."""
    import pyarrow.dataset as ds

    table = ds.dataset(losses).to_table(columns=[NAME, LOSS])
    means = table.group_by(NAME).aggregate([(LOSS, "mean")])
    return dict(zip(means.column(NAME).to_pylist(), means.column(f"{LOSS}_mean").to_pylist(), strict=True))


def loss_name(losses: Path) -> str:
    """What the losses of a table are, such as `pinball`: its schema metadata `loss`; `loss` where it does not say."""
    import pyarrow.parquet as pq

    metadata: dict[bytes, bytes] = pq.read_schema(losses).metadata or {}
    return metadata.get(LOSS.encode(), LOSS.encode()).decode()


def read_losses(losses: Path, name: str) -> "pa.Table":
    """One entrant's rows, sorted by their keys."""
    import pyarrow.compute as pc
    import pyarrow.dataset as ds

    table = ds.dataset(losses).to_table(filter=pc.field(NAME) == name).drop_columns([NAME])
    if not table.num_rows:
        raise GateError(f"{losses} holds no losses of {name!r}; entrants: {', '.join(sorted(mean_losses(losses)))}")
    keys = [column for column in table.column_names if column != LOSS]
    return table.sort_by([(key, "ascending") for key in keys])


def _same_rows(first: "pa.Table", second: "pa.Table", a: str, b: str) -> None:
    if not first.drop_columns([LOSS]).equals(second.drop_columns([LOSS])):
        raise GateError(
            f"{a!r} and {b!r} were not scored on the same rows ({first.num_rows} and {second.num_rows}); "
            "score them again together"
        )


def _column(table: "pa.Table", name: str) -> "Float64Array":
    import numpy as np

    return np.asarray(table.column(name).combine_chunks().to_numpy(zero_copy_only=False), dtype=np.float64)

"""Rows as tensors, and the stretches of them that a sequence network is trained on.

A network forecasts from every bar of a stretch at once, so that one pass over a stretch of 96 bars costs little more
than one window would: that is what lets two CPU cores train on all rows of all coins.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from components.crypto.dataset import Dataset, IntArray
from components.crypto.networks.inputs import InputEncoder
from components.crypto.splits import Interval
from components.crypto.training.settings import TrainingError

LOG_MOVE_FLOOR = 1e-5
"""Added to mean absolute bar returns before their logarithm, so that an unchanged price is no infinite outlier."""

_ENCODE_ROWS = 16_384


@dataclass(frozen=True)
class Samples:
    """All rows of a dataset, encoded once.

    Attributes:
        inputs: float32 [R, D].
        targets: float32 [R, H], cumulative log return over the reference volatility; zero where unknown.
        log_moves: float32 [R, H], log mean absolute bar return over the horizon, minus the log reference.
        known: bool [R], whether a row has every target.
    """

    inputs: torch.Tensor
    targets: torch.Tensor
    log_moves: torch.Tensor
    known: torch.Tensor

    def to(self, device: torch.device) -> "Samples":
        """The same on another device."""
        return Samples(
            self.inputs.to(device), self.targets.to(device), self.log_moves.to(device), self.known.to(device)
        )


@dataclass(frozen=True)
class Stretches:
    """Stretches as row numbers: stretch i is rows `first[i] .. first[i] + length - 1`, forecast from `since[i]` on."""

    first: IntArray
    since: IntArray

    def batches(self, size: int, order: IntArray | None = None) -> Iterator["Stretches"]:
        """Parts of at most `size` stretches, in the given order."""
        chosen = np.arange(len(self.first)) if order is None else order
        for start in range(0, len(chosen), size):
            part = chosen[start : start + size]
            yield Stretches(self.first[part], self.since[part])


def make_samples(dataset: Dataset, encoder: InputEncoder) -> Samples:
    """Encode every row with a fitted encoder and express its targets in units of its reference volatility."""
    inputs, references = [], []
    with torch.no_grad():
        for rows in torch.from_numpy(dataset.features).split(_ENCODE_ROWS):
            encoded, reference = encoder(rows)
            inputs.append(encoded)
            references.append(reference)
    reference = torch.cat(references)[:, None]
    raw = torch.from_numpy(dataset.targets)
    known = torch.isfinite(raw).all(dim=1)
    targets = torch.where(known[:, None], raw, 0.0)
    moves = torch.diff(targets, dim=1, prepend=torch.zeros(len(targets), 1)).abs()
    mean_moves = moves.cumsum(dim=1) / torch.arange(1, targets.shape[1] + 1)
    return Samples(
        inputs=torch.cat(inputs),
        targets=targets * torch.exp(-reference),
        log_moves=torch.log(mean_moves + LOG_MOVE_FLOOR) - reference,
        known=known,
    )


def stretches(dataset: Dataset, interval: Interval, *, read_bars: int, chunk_bars: int, offset: int = 0) -> Stretches:
    """Cover an interval with stretches of `read_bars + chunk_bars` rows, each within one gap-free run.

    The bars that are only read may lie before the interval; those forecast from lie inside it. The last stretch of a
    run is moved back to end with it, and forecasts from only what the others left.

    Args:
        dataset: The rows.
        interval: Where forecasts are made.
        read_bars: Bars before the first forecast.
        chunk_bars: Bars forecast from.
        offset: Bars to leave out at the start of each run, so that epochs cut the rows differently.

    Raises:
        TrainingError: No run is long enough.
    """
    first: list[int] = []
    since: list[int] = []
    for run in dataset.segments(interval):
        begin = max(run.start, int(dataset.run_start[run.start]) + read_bars) + offset
        for position in range(begin, run.stop, chunk_bars):
            start = min(position, run.stop - chunk_bars)
            if start - read_bars >= dataset.run_start[run.start]:
                first.append(start - read_bars)
                since.append(position)
    if not first:
        raise TrainingError(
            f"no unbroken run of {read_bars + chunk_bars} bars between {interval.start} and {interval.end}; "
            "bring a longer history"
        )
    return Stretches(np.asarray(first), np.asarray(since))


def gather(samples: Samples, part: Stretches, *, read_bars: int, chunk_bars: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Row numbers of a batch of stretches, int64 [n, read + chunk], and which forecasts count, bool [n, chunk]."""
    device = samples.inputs.device
    rows = torch.from_numpy(part.first[:, None] + np.arange(read_bars + chunk_bars)).to(device)
    ahead = rows[:, read_bars:]
    return rows, samples.known[ahead] & (ahead >= torch.from_numpy(part.since).to(device)[:, None])

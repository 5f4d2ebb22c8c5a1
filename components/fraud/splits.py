"""Who is fitted, stopped, calibrated, priced and judged on which rows: five slices that cannot see one another.

Card transactions are split by time. The first 37 days only fill windows, and between every two slices lies an embargo
of the label delay, so that when a slice begins every label of the one before it is known. Accounts and flows have no
time; there all rows of one group stay in one slice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from itertools import accumulate
from pathlib import Path

import numpy as np
import numpy.typing as npt

BoolArray = npt.NDArray[np.bool_]

WARM_UP = timedelta(days=37)
"""The longest window and the label delay: before that, features have seen less than they name."""

CARD_SHARES = (0.55, 0.10, 0.10, 0.10, 0.15)
"""Shares of train, stop, calibrate, thresholds and gate in the time that remains after warm-up and embargoes."""

FOLDS = 10
"""Groups are dealt to ten folds: stop, calibrate, thresholds and gate are one each, train is the other six."""

_MICROSECOND = timedelta(microseconds=1)


class SplitError(ValueError):
    """The table cannot be split as asked."""


@dataclass(frozen=True)
class Split:
    """Five slices as boolean masks [rows] over a table; a row is in one of them or in none."""

    train: BoolArray
    stop: BoolArray
    calibrate: BoolArray
    thresholds: BoolArray
    gate: BoolArray

    def __post_init__(self) -> None:
        masks = [mask for _, mask in self.items()]
        if any(mask.dtype != np.bool_ or mask.shape != masks[0].shape for mask in masks):
            raise SplitError(f"slices must be boolean masks of one length, got {[(m.dtype, m.shape) for m in masks]}")
        if np.sum(masks, axis=0).max(initial=0) > 1:
            raise SplitError("slices overlap: a row may be in one of them only")

    def items(self) -> Iterator[tuple[str, BoolArray]]:
        """Name and mask of every slice, in order."""
        for field in fields(self):
            yield field.name, getattr(self, field.name)

    def check(self, fraud: npt.ArrayLike) -> None:
        """Raise SplitError, naming the slice, where one lacks frauds or genuine rows; `fraud` is [rows]."""
        labels = np.asarray(fraud)
        for name, mask in self.items():
            frauds, genuine = int((labels[mask] == 1).sum()), int((labels[mask] == 0).sum())
            if not frauds or not genuine:
                raise SplitError(
                    f"the {name} slice holds {frauds} frauds and {genuine} genuine rows and needs both; "
                    "bring more history"
                )


def card_split(
    table: Path, label_delay: timedelta, *, warm_up: timedelta = WARM_UP, shares: Sequence[float] = CARD_SHARES
) -> Split:
    """Split a table of card transactions or card features by time.

    Rows whose label is not known are in no slice; the gate ends with the newest row that is known to be genuine,
    because later on only the frauds that were found early are labelled.

    Args:
        table: Parquet with `occurred_at` (microseconds UTC) and `fraud` (null: unknown).
        label_delay: The embargo between every two slices.
        warm_up: Time from the first row that is in no slice.
        shares: Of the five slices; must sum to one.

    Raises:
        SplitError: The history is too short, or a slice lacks frauds or genuine rows.
    """
    import pyarrow.parquet as pq

    columns = pq.read_table(table, columns=["occurred_at", "fraud"])
    occurred = columns["occurred_at"].to_numpy().astype("datetime64[us]").astype(np.int64)
    fraud = columns["fraud"].fill_null(-1).to_numpy()
    if not (fraud == 0).any():
        raise SplitError(f"{table} holds no transaction that is known to be genuine; labels are needed to train")
    first, last = int(occurred.min()), int(occurred[fraud == 0].max())
    bounds = time_bounds(first, last, label_delay, warm_up=warm_up, shares=shares)
    split = Split(*((occurred >= start) & (occurred < end) & (fraud >= 0) for start, end in bounds))
    split.check(fraud)
    return split


def time_bounds(
    first_us: int, last_us: int, embargo: timedelta, *, warm_up: timedelta, shares: Sequence[float]
) -> list[tuple[int, int]]:
    """Start (included) and end (excluded) of the five slices between two moments, in microseconds since 1970.

    Raises:
        SplitError: The time between them is too short, or the shares are no shares.
    """
    if len(shares) != 5 or min(shares) <= 0 or abs(sum(shares) - 1.0) > 1e-9:
        raise SplitError(f"shares must be five positive numbers that sum to 1, got {tuple(shares)}")
    gap, start = embargo // _MICROSECOND, first_us + warm_up // _MICROSECOND
    usable = last_us + 1 - start - 4 * gap
    if gap < 0 or usable < len(shares):
        raise SplitError(
            f"{timedelta(microseconds=last_us - first_us)} of history is too short for a warm-up of {warm_up}, four "
            f"embargoes of {embargo} and five slices; bring more history or a shorter label delay"
        )
    ends = [round(usable * share) for share in accumulate(shares)]
    starts = [0, *ends[:-1]]
    return [
        (start + begin + position * gap, start + end + position * gap)
        for position, (begin, end) in enumerate(zip(starts, ends, strict=True))
    ]


def grouped_split(table: Path, seed: int) -> Split:
    """Split a table of accounts or flows at random by group, each slice with the same shares of every class.

    A group belongs to the class of its gravest row. Flows of the published test part are in no slice.

    Args:
        table: Parquet with `group`, `fraud` and, for flows, `attack_class` and `part`.
        seed: Decides who goes where.

    Raises:
        SplitError: A class has too few groups to be in every slice.
    """
    import pandas as pd
    import pyarrow.parquet as pq
    from sklearn.model_selection import StratifiedKFold

    given = set(pq.read_schema(table).names)
    rows = pd.read_parquet(table, columns=[n for n in ("group", "fraud", "attack_class", "part") if n in given])
    usable = (rows["part"] != "test") if "part" in given else pd.Series(True, index=rows.index)
    strata = rows["attack_class"] if "attack_class" in given else rows["fraud"].astype(str)
    # The class that is rarest in the table is taken for the gravest: a mixed group then counts where it is needed most.
    rarity = strata[usable].map(strata[usable].value_counts())
    labelled = pd.DataFrame({"group": rows["group"][usable], "stratum": strata[usable], "rarity": rarity})
    groups = labelled.sort_values(["group", "rarity"], kind="stable").drop_duplicates("group")
    smallest = groups["stratum"].value_counts()
    if len(smallest) < 2 or smallest.min() < FOLDS:
        raise SplitError(
            f"groups by class are {smallest.to_dict()}; a grouped split needs two classes of at least {FOLDS} groups "
            "each"
        )
    fold = np.empty(len(groups), dtype=np.int64)
    dealer = StratifiedKFold(n_splits=FOLDS, shuffle=True, random_state=seed)
    for number, (_, chosen) in enumerate(dealer.split(np.zeros(len(groups)), groups["stratum"])):
        fold[chosen] = number
    dealt = rows["group"].map(dict(zip(groups["group"], fold, strict=True))).where(usable, -1).to_numpy()
    split = Split(dealt >= 4, dealt == 0, dealt == 1, dealt == 2, dealt == 3)
    split.check(rows["fraud"])
    return split

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.fraud.splits import WARM_UP, Split, SplitError, card_split, grouped_split

DELAY = timedelta(days=7)
START = datetime(2026, 1, 1, tzinfo=UTC)


def transactions(days: int, *, rate: float = 0.1, per_day: int = 48) -> pd.DataFrame:
    count = days * per_day
    random = np.random.default_rng(0)
    occurred = pd.date_range(START, periods=count, freq=pd.Timedelta(days=1) / per_day).astype("datetime64[us, UTC]")
    return pd.DataFrame({"occurred_at": occurred, "fraud": pd.array(random.random(count) < rate, dtype="Int8")})


def written(table: pd.DataFrame, folder: Path) -> Path:
    table.to_parquet(folder / "table.parquet", index=False)
    return folder / "table.parquet"


def test_card_slices_follow_one_another_with_the_label_delay_between(tmp_path: Path) -> None:
    table = transactions(160)
    split = card_split(written(table, tmp_path), DELAY)
    spans = [table["occurred_at"][mask] for _, mask in split.items()]
    assert spans[0].min() >= START + WARM_UP
    for earlier, later in zip(spans, spans[1:], strict=False):
        assert later.min() - earlier.max() > DELAY
        assert later.min() - earlier.max() < DELAY + timedelta(hours=2)
    assert len(spans[0]) > len(spans[4]) > len(spans[1])
    assert table["occurred_at"].max() - spans[4].max() < timedelta(hours=2)


def test_rows_without_a_known_label_are_in_no_slice(tmp_path: Path) -> None:
    table = transactions(160)
    young = table["occurred_at"] >= table["occurred_at"].max() - DELAY
    table.loc[young & (table["fraud"] == 0), "fraud"] = pd.NA
    split = card_split(written(table, tmp_path), DELAY)
    used = np.logical_or.reduce([mask for _, mask in split.items()])
    assert not used[young].any()
    assert split.gate.any()


def test_too_short_a_history_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="too short for a warm-up of 37 days.*bring more history"):
        card_split(written(transactions(60), tmp_path), DELAY)
    with pytest.raises(SplitError, match="slice holds 0 frauds"):
        card_split(written(transactions(160, rate=0.0), tmp_path), DELAY)


def accounts(groups: int = 600) -> pd.DataFrame:
    random = np.random.default_rng(1)
    group = np.repeat([f"a{number}" for number in range(groups)], random.integers(1, 4, groups))
    return pd.DataFrame({"group": group, "fraud": (random.random(len(group)) < 0.3).astype(np.int8)})


def test_rows_of_a_group_stay_together_and_every_slice_has_the_classes_shares(tmp_path: Path) -> None:
    table = accounts()
    split = grouped_split(written(table, tmp_path), seed=3)
    owners = [set(table["group"][mask]) for _, mask in split.items()]
    assert sum(len(owner) for owner in owners) == len(set().union(*owners)) == 600
    for _, mask in split.items():
        assert table["fraud"][mask].mean() == pytest.approx(table["fraud"].mean(), abs=0.07)
    assert split.train.mean() == pytest.approx(0.6, abs=0.05)


def test_the_seed_decides_and_nothing_else(tmp_path: Path) -> None:
    path = written(accounts(), tmp_path)
    first, again, other = grouped_split(path, 1), grouped_split(path, 1), grouped_split(path, 2)
    np.testing.assert_array_equal(first.gate, again.gate)
    assert (first.gate != other.gate).any()


def test_flows_of_the_test_part_are_in_no_slice_and_rare_attacks_are_in_all(tmp_path: Path) -> None:
    table = accounts(900)
    table["group"] = [f"r{row}" for row in range(len(table))]
    rare = np.arange(len(table)) % 90 == 0
    table["attack_class"] = np.where(table["fraud"] == 0, "normal", np.where(rare, "u2r", "dos"))
    table.loc[rare, ["fraud", "attack_class"]] = [1, "u2r"]
    table["part"] = np.where(np.arange(len(table)) < 1500, "train", "test")
    split = grouped_split(written(table, tmp_path), seed=0)
    used = np.logical_or.reduce([mask for _, mask in split.items()])
    assert not used[(table["part"] == "test").to_numpy()].any()
    assert used[(table["part"] == "train").to_numpy()].all()
    for _, mask in split.items():
        assert {"normal", "dos", "u2r"} == set(table["attack_class"][mask])


def test_a_class_with_too_few_groups_is_named(tmp_path: Path) -> None:
    table = accounts(30)
    table["fraud"] = 0
    table.loc[0, "fraud"] = 1
    with pytest.raises(SplitError, match=r"groups by class are .*'1': 1.*at least 10 groups"):
        grouped_split(written(table, tmp_path), seed=0)


def test_slices_that_overlap_are_refused() -> None:
    mask = np.array([True, False])
    with pytest.raises(SplitError, match="overlap"):
        Split(mask, mask, ~mask, ~mask, ~mask)

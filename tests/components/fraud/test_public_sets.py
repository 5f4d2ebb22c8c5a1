from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.fraud.accounts.dataset import write_accounts
from components.fraud.accounts.fields import COLUMNS
from components.fraud.detectors import DETECTORS
from components.fraud.encoded_table import DIGEST_KEY, TableError
from components.fraud.network.dataset import PARTS, write_flows
from components.fraud.splits import grouped_split
from runtime.settings import REPOSITORY_ROOT

DATA = REPOSITORY_ROOT.parent / "shared" / "data"
NSL_KDD = DATA / "intrusion_nsl_kdd"
ETHEREUM = DATA / "fraud_ethereum" / "ethereum_accounts.parquet"

needs_flows = pytest.mark.skipif(not NSL_KDD.is_dir(), reason=f"NSL-KDD is not at {NSL_KDD}")
needs_accounts = pytest.mark.skipif(not ETHEREUM.is_file(), reason=f"the Ethereum accounts are not at {ETHEREUM}")


@needs_flows
def test_flows_hold_both_parts_and_the_published_counts_of_classes(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    path = tmp_path / "flows.parquet"
    report = write_flows(NSL_KDD, path)
    assert report.rows == 125_973 + 22_544
    detector = DETECTORS["network"]
    assert pq.read_schema(path).metadata[DIGEST_KEY].decode() == detector.feature_digest
    table = pd.read_parquet(path)
    test = table[table["part"] == "test"]
    assert test["attack_class"].value_counts().to_dict() == {
        "normal": 9_711,
        "dos": 7_458,
        "probe": 2_421,
        "r2l": 2_754,
        "u2r": 200,
    }
    assert table["row_id"].is_unique
    assert list(table[list(detector.feature_names)].dtypes.unique()) == [np.dtype("float32")]
    raw = pd.read_parquet(NSL_KDD / PARTS["test"]).iloc[:50].drop(columns=["label", "difficulty"])
    served = detector.encode(raw.to_dict("records"))
    np.testing.assert_array_equal(served, test[list(detector.feature_names)].to_numpy()[:50])
    assert detector.check(raw.iloc[0].to_dict()) == ()
    split = grouped_split(path, seed=0)
    assert not split.train[len(table) - len(test) :].any()
    assert set(table["attack_class"][split.gate]) == {"normal", "dos", "probe", "r2l", "u2r"}


@needs_accounts
def test_accounts_hold_every_published_row_with_missing_values_kept(tmp_path: Path) -> None:
    path = tmp_path / "accounts.parquet"
    report = write_accounts(ETHEREUM, path)
    table, raw = pd.read_parquet(path), pd.read_parquet(ETHEREUM)
    assert (report.rows, report.frauds) == (len(raw), int(raw["FLAG"].sum()))
    assert table["row_id"].is_unique
    assert table["group"].nunique() == 7810
    assert table["total_erc20_tnxs"].isna().sum() == raw["Total ERC20 tnxs"].isna().sum() > 0
    records = raw.iloc[:40].rename(columns={column: name for name, column in COLUMNS.items()})
    records = records[list(COLUMNS)].astype(object).where(records[list(COLUMNS)].notna(), None).to_dict("records")
    detector = DETECTORS["crypto"]
    assert [detector.check(record) for record in records] == [()] * 40
    np.testing.assert_array_equal(detector.encode(records), table[list(detector.feature_names)].to_numpy()[:40])


def test_a_folder_without_the_set_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="lacks kdd_train_plus.parquet"):
        write_flows(tmp_path, tmp_path / "flows.parquet")
    pd.DataFrame({"Address": ["0x"], "FLAG": [1]}).to_parquet(tmp_path / "accounts.parquet")
    with pytest.raises(TableError, match="lacks the columns"):
        write_accounts(tmp_path / "accounts.parquet", tmp_path / "table.parquet")

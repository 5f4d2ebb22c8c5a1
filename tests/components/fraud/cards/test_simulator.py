import subprocess
import sys
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from components.fraud.cards.fraudsters import PATTERNS
from components.fraud.cards.history import build_history, read_card_features
from components.fraud.cards.simulator import SimulationError, simulate
from components.fraud.cards.table import TRANSACTION_SCHEMA
from feature_repo.fraud import CARD_FEATURE_NAMES, LABEL_DELAY_SECONDS

END = datetime(2026, 11, 22, 20, 31, 5, 250_000, tzinfo=UTC)
DELAY = timedelta(seconds=LABEL_DELAY_SECONDS)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """About 100,000 payments of 120 days."""
    path = tmp_path_factory.mktemp("simulated") / "transactions.parquet"
    simulate(path, end=END, rows=100_000, days=120, seed=1)
    return path


@pytest.fixture(scope="module")
def payments(path: Path) -> pd.DataFrame:
    """The same as a frame."""
    return pq.read_table(path).to_pandas()


def test_the_table_has_the_schema_and_order_that_history_asks_for(path: Path, payments: pd.DataFrame) -> None:
    assert pq.read_schema(path).equals(TRANSACTION_SCHEMA)
    assert payments["occurred_at"].is_monotonic_increasing
    assert payments["transaction_id"].is_monotonic_increasing
    assert payments["transaction_id"].is_unique
    assert payments["occurred_at"].max() <= END
    assert END - payments["occurred_at"].max() < timedelta(minutes=30)
    assert abs(len(payments) - 100_000) < 10_000


def test_labels_are_known_a_delay_later_and_not_before(payments: pd.DataFrame) -> None:
    known = payments["occurred_at"] <= END - DELAY
    assert payments.loc[known, "fraud"].notna().all()
    assert payments.loc[~known, ["fraud", "label_known_at"]].isna().all(axis=None)
    assert (payments["label_known_at"] - payments["occurred_at"]).dropna().eq(DELAY).all()
    labelled = payments[known]
    assert ((labelled["pattern"] != "") == (labelled["fraud"] == 1)).all()


def test_every_pattern_occurs_and_frauds_are_rare(payments: pd.DataFrame) -> None:
    shares = payments["pattern"].value_counts(normalize=True)
    assert set(shares.index) == set(PATTERNS)
    assert 0.005 <= 1 - shares[""] <= 0.01
    assert all(shares[pattern] > 0.0003 for pattern in PATTERNS)


def test_patterns_are_what_they_are_called(payments: pd.DataFrame) -> None:
    genuine = payments[payments["pattern"] == ""]
    usual = genuine.groupby("customer_id")["amount_minor"].mean()
    by = {pattern: payments[payments["pattern"] == pattern] for pattern in PATTERNS[1:]}
    stolen = by["stolen_card"]
    assert (stolen["amount_minor"] / stolen["customer_id"].map(usual)).median() > 2
    assert by["large_amount"]["amount_minor"].median() > 5 * genuine["amount_minor"].median()
    weeks = by["compromised_terminal"].groupby("terminal_id")["occurred_at"].agg(lambda at: at.max() - at.min())
    assert timedelta(days=7) < weeks.median() <= timedelta(days=42)
    tests = by["card_testing"][by["card_testing"]["amount_minor"] < 1000]
    waits = tests.groupby("customer_id")["occurred_at"].diff().dropna()
    assert waits.median() < timedelta(minutes=5)


def test_days_have_a_rhythm(payments: pd.DataFrame) -> None:
    hours = payments["occurred_at"].dt.hour.value_counts(normalize=True)
    assert hours[[13, 14]].mean() > 4 * hours[[2, 3]].mean()


def test_the_same_seed_gives_the_same_bytes_and_another_gives_others(tmp_path: Path) -> None:
    first, again, other = (tmp_path / name for name in ("first", "again", "other"))
    local = END.astimezone(timezone(timedelta(hours=2)))
    for path, end, seed in ((first, END, 5), (again, local, 5), (other, END, 6)):
        simulate(path, end=end, rows=2_000, days=40, seed=seed)
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()


def test_features_find_most_of_the_fraud_but_no_single_one_does(path: Path, tmp_path: Path) -> None:
    from sklearn.metrics import average_precision_score, roc_auc_score
    from xgboost import XGBClassifier

    build_history(path, tmp_path / "features.parquet")
    table = read_card_features(tmp_path / "features.parquet")
    rows = np.column_stack([table[name].to_numpy() for name in CARD_FEATURE_NAMES])
    fraud, at = table["fraud"].fill_null(-1).to_numpy(), table["occurred_at"].to_pandas()
    train = ((at > at[0] + timedelta(days=30)) & (at < at[0] + timedelta(days=85))).to_numpy() & (fraud >= 0)
    test = (at > at[0] + timedelta(days=92)).to_numpy() & (fraud >= 0)
    model = XGBClassifier(n_estimators=40, max_depth=4, learning_rate=0.1, n_jobs=1, random_state=0)
    score = model.fit(rows[train], fraud[train]).predict_proba(rows[test])[:, 1]
    singles = [max(roc_auc_score(fraud[test], x), 1 - roc_auc_score(fraud[test], x)) for x in rows[test].T]
    assert roc_auc_score(fraud[test], score) > 0.75
    assert 0.2 < average_precision_score(fraud[test], score) < 0.95
    assert max(singles) < 0.85


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rows": 100}, "100 rows over 150 days are too few.*at least 6000"),
        ({"end": datetime(2026, 1, 1)}, "must carry its time zone"),  # noqa: DTZ001
        ({"days": 0}, "too few"),
    ],
)
def test_what_cannot_be_simulated_is_refused(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        simulate(tmp_path / "transactions.parquet", **{"end": END, **change})  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


PEAK = """
import re, sys
from datetime import UTC, datetime
from pathlib import Path
from components.fraud.cards.history import build_history
from components.fraud.cards.simulator import simulate

def peak_kib():
    # The kernel's peak of this program alone; getrusage starts at the size of the process that started it.
    return re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]

folder = Path(sys.argv[1])
simulate(folder / "transactions.parquet", end=datetime(2026, 11, 22, tzinfo=UTC), rows=int(sys.argv[2]))
simulated = peak_kib()
build_history(folder / "transactions.parquet", folder / "features.parquet", partition_rows=20_000, chunk_rows=20_000)
print(simulated, peak_kib())
"""


def test_eight_times_the_rows_need_no_more_memory(tmp_path: Path) -> None:
    peaks = []
    for rows in (60_000, 480_000):
        command = [sys.executable, "-c", PEAK, str(tmp_path), str(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append([int(kib) / 1024 for kib in done.stdout.split()])
    small, large = np.array(peaks)
    # 420,000 rows more are 150 MiB of features alone.
    assert (large - small < 50).all(), peaks

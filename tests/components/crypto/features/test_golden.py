"""Values of every feature on fixed candles, so that no computation changes under an unchanged DEFINITION_VERSION.

After a wanted change: raise DEFINITION_VERSION in feature_repo/crypto.py, then run this file with `python`.
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.crypto.features import compute_features
from feature_repo.crypto import DEFINITION_VERSION, FEATURE_NAMES, feature_digest

GOLDEN = Path(__file__).with_name("golden.json")


def golden_candles() -> pd.DataFrame:
    """Two coins made of sines, so that no random generator's stream is part of the promise; one has a hole."""
    tables = []
    for number, (symbol, price) in enumerate({"BTC": 30_000.0, "DOGE": 0.07}.items(), start=1):
        bar = np.arange(1000.0)
        close = price * np.exp(
            0.05 * np.sin(bar / 97 + number) + 0.01 * np.sin(bar / 5.3 * number) + 0.003 * np.sin(bar**2 / 7)
        )
        opened = np.concatenate([close[:1], close[:-1]])
        tables.append(
            pd.DataFrame(
                {
                    "unique_id": f"binance:usdm-perp:{symbol}-USDT",
                    "ds": pd.date_range("2024-01-01", periods=1000, freq="h", tz="UTC").as_unit("us"),
                    "open": opened,
                    "high": np.maximum(opened, close) * (1.001 + 0.001 * np.sin(bar / 11)),
                    "low": np.minimum(opened, close) * (0.999 - 0.001 * np.cos(bar / 13)),
                    "close": close,
                    "volume": 1000 * np.exp(np.sin(bar / 24 * 2 * np.pi) + np.sin(bar * number / 3.7)),
                }
            )
        )
    return pd.concat([tables[0], tables[1].drop(index=[950, 951, 952])], ignore_index=True)


def golden_values() -> dict[str, dict[str, float]]:
    """Three rows of each coin: the first, one within the bridged hole, the last."""
    rows = compute_features(golden_candles())
    moments = pd.to_datetime(["2024-01-31T00:00Z", "2024-02-09T15:00Z", "2024-02-11T15:00Z"])
    chosen = rows[rows["ds"].isin(moments)]
    return {
        f"{row['unique_id']} {row['ds'].isoformat()}": {name: float(f"{row[name]:.7g}") for name in FEATURE_NAMES}
        for _, row in chosen.iterrows()
    }


def regenerate() -> None:
    """Write the golden file; refuse where values changed and the version did not."""
    values = golden_values()
    if GOLDEN.exists():
        old = json.loads(GOLDEN.read_text())
        if old["values"] != values and old["definition_version"] == DEFINITION_VERSION:
            raise SystemExit("values differ from the golden ones: raise DEFINITION_VERSION first")
    content = {"definition_version": DEFINITION_VERSION, "feature_digest": feature_digest(), "values": values}
    GOLDEN.write_text(json.dumps(content, indent=1) + "\n")


def test_no_value_changes_without_a_new_definition_version() -> None:
    golden = json.loads(GOLDEN.read_text())
    found = golden_values()
    assert found.keys() == golden["values"].keys()
    assert len(found) == 6
    for row, expected in golden["values"].items():
        assert found[row] == pytest.approx(expected, rel=2e-5, abs=2e-6), f"{row}: raise DEFINITION_VERSION"


def test_the_golden_values_are_those_of_this_definition() -> None:
    golden = json.loads(GOLDEN.read_text())
    recorded = (golden["definition_version"], golden["feature_digest"])
    assert recorded == (DEFINITION_VERSION, feature_digest()), "write the golden values anew: run this file"


if __name__ == "__main__":
    regenerate()

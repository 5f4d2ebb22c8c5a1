import subprocess
import sys
from dataclasses import replace

import pytest

from feature_repo import fraud


def test_names_are_distinct_and_described() -> None:
    assert len(fraud.CARD_FEATURE_NAMES) == len(set(fraud.CARD_FEATURE_NAMES))
    assert all(feature.description for feature in fraud.CARD_FEATURES)
    known = {"amount", "customer_count_1h", "terminal_risk_7d", "amount_over_customer_genuine_mean_30d"}
    assert known <= set(fraud.CARD_FEATURE_NAMES)


def test_the_labels_delay_is_seven_days_of_whole_buckets() -> None:
    assert fraud.LABEL_DELAY_SECONDS == 7 * 24 * 3600
    assert fraud.LABEL_DELAY_US % fraud.HOUR_US == 0
    assert fraud.LABEL_DELAY_HOURS * fraud.HOUR_US == fraud.LABEL_DELAY_US


def test_the_digest_is_twelve_hex_digits_and_repeats() -> None:
    digest = fraud.card_feature_digest()
    assert digest == fraud.card_feature_digest()
    assert len(digest) == 12
    int(digest, 16)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEFINITION_VERSION", fraud.DEFINITION_VERSION + 1),
        ("LABEL_DELAY_SECONDS", fraud.LABEL_DELAY_SECONDS + 3600),
        ("LONG_WINDOWS", {**fraud.LONG_WINDOWS, "30d": 721}),
        ("SHORT_WINDOWS", {"10m": 10}),
        ("MINUTE_US", 1),
        ("AMOUNT_CAP_MINOR", 1),
        ("CARD_FEATURES", fraud.CARD_FEATURES[::-1]),
        ("CARD_FEATURES", (replace(fraud.CARD_FEATURES[0], description="another"), *fraud.CARD_FEATURES[1:])),
    ],
)
def test_the_digest_follows_all_that_a_feature_depends_on(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    before = fraud.card_feature_digest()
    monkeypatch.setattr(fraud, name, value)
    assert fraud.card_feature_digest() != before


def test_the_definitions_need_nothing_but_the_standard_library() -> None:
    code = "import sys, feature_repo.fraud; print(*sorted({'numpy', 'pandas', 'pyarrow', 'feast'} & set(sys.modules)))"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == ""

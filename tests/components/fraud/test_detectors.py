import math
import re
import subprocess
import sys

import numpy as np
import pytest

from components.fraud.detectors import DETECTORS
from components.fraud.network.fields import ATTACK_CLASSES, CLASS_OF_ATTACK
from components.fraud.network.fields import FIELDS as NETWORK_FIELDS
from components.fraud.raw_fields import FieldError
from feature_repo.fraud import CARD_FEATURES
from runtime.settings import REPOSITORY_ROOT

NETWORK, CRYPTO = DETECTORS["network"], DETECTORS["crypto"]


def flow(**changes: object) -> dict[str, object]:
    record: dict[str, object] = {field.name: 0 for field in NETWORK_FIELDS}
    return {**record, "protocol_type": "tcp", "service": "http", "flag": "SF", **changes}


def test_a_record_in_order_has_no_problems() -> None:
    assert len(NETWORK_FIELDS) == 41
    assert NETWORK.check(flow(duration=2, src_bytes=1.5e9, serror_rate=0.5)) == ()
    assert CRYPTO.check({field.name: 1 for field in CRYPTO.fields if field.required and field.features}) == ()


@pytest.mark.parametrize(
    ("changes", "pointer", "words"),
    [
        ({"durration": 1}, "/durration", "is no field of this detector; did you mean 'duration'"),
        ({"a/b~c": 1}, "/a~1b~0c", "is no field of this detector"),
        ({"src_bytes": -1}, "/src_bytes", "must not be negative, received -1"),
        ({"src_bytes": math.inf}, "/src_bytes", "must be finite, received inf"),
        ({"src_bytes": math.nan}, "/src_bytes", "must be finite, received nan"),
        ({"src_bytes": 10**400}, "/src_bytes", "must be at most 3e\\+38 in size"),
        ({"src_bytes": None}, "/src_bytes", "must be a number, received None"),
        ({"src_bytes": "7"}, "/src_bytes", "must be a number, received '7'"),
        ({"src_bytes": True}, "/src_bytes", "must be a number, received True"),
        ({"serror_rate": 1.1}, "/serror_rate", "must be between 0 and 1, received 1.1"),
        ({"logged_in": 2}, "/logged_in", "must be 0 or 1, received 2"),
        ({"service": ""}, "/service", "must be a text that is not empty, received ''"),
        ({"difficulty": 20}, "/difficulty", "is no field of this detector"),
    ],
)
def test_each_wrong_field_is_named_with_what_was_received(changes: dict[str, object], pointer: str, words: str) -> None:
    import re

    (problem,) = NETWORK.check(flow(**changes))
    assert problem.pointer == pointer
    assert re.search(words, problem.detail)


def test_missing_fields_are_each_named() -> None:
    record = flow()
    del record["duration"], record["flag"], record["num_outbound_cmds"]
    assert [(p.field, p.detail) for p in NETWORK.check(record)] == [
        ("duration", "is missing; give a number that is not negative"),
        ("flag", "is missing; give a text"),
    ]


def test_encoding_is_one_column_a_number_and_one_a_category() -> None:
    names = list(NETWORK.feature_names)
    encoded = NETWORK.encode([flow(duration=3), flow(protocol_type="sctp", service="quic", flag="S0")])
    assert encoded.shape == (2, len(names)) == (2, 123)
    assert encoded.dtype == np.float32
    assert encoded[:, names.index("duration")].tolist() == [3, 0]
    assert encoded[:, names.index("protocol_type=other")].tolist() == [0, 1]
    assert encoded[:, names.index("service=other")].tolist() == [0, 1]
    assert encoded[:, names.index("service=http")].tolist() == [1, 0]
    for field in ("protocol_type", "service", "flag"):
        of_field = [at for at, name in enumerate(names) if NETWORK.field_of(name) == field]
        np.testing.assert_array_equal(encoded[:, of_field].sum(axis=1), [1, 1])
    assert "difficulty" not in names


def test_tokens_that_are_unknown_are_missing_values() -> None:
    record = {field.name: 1.0 for field in CRYPTO.fields if field.required}
    encoded = CRYPTO.encode([{**record, "erc20_total_ether_received": None}])
    missing = [name for name, value in zip(CRYPTO.feature_names, encoded[0], strict=True) if math.isnan(value)]
    assert missing
    assert all("erc20" in name for name in missing)


def test_values_are_said_in_plain_english() -> None:
    assert NETWORK.words("num_failed_logins", 3) == "3 failed logins"
    assert NETWORK.words("num_failed_logins", 1) == "1 failed login"
    assert NETWORK.words("count", 511) == "511 connections to the same host in the last two seconds"
    assert NETWORK.words("serror_rate", 0.853) == "85 % of connections to the host with SYN errors"
    assert NETWORK.words("logged_in", 0) == "logged in: no"
    assert NETWORK.words("service=http", 1) == "service is http"
    assert NETWORK.words("service=http", 0) == "service is not http"
    assert CRYPTO.words("sent_tnx", 12_345) == "12,345 transactions sent"
    assert CRYPTO.words("total_ether_balance", -0.12345) == "balance of -0.123 ether"
    assert CRYPTO.words("total_erc20_tnxs", None) == "total erc20 tnxs is missing"
    with pytest.raises(FieldError, match="detector 'network' has no feature 'nonsense'"):
        NETWORK.words("nonsense", 1)


def test_every_feature_has_words() -> None:
    for detector in (NETWORK, CRYPTO):
        for name in detector.feature_names:
            for value in (0, 1, 0.5, None):
                said = detector.words(name, value)
                assert said
                assert "{" not in said


def test_card_features_are_said_with_their_windows() -> None:
    card = DETECTORS["card"]
    assert card.words("customer_count_10m", 3) == "3 transactions of the customer within 10 minutes"
    assert card.words("terminal_frauds_1d", 1) == "1 fraud at the terminal became known within a day"
    assert card.words("terminal_risk_7d", 0.25) == "25 % of the terminal's labels of 7 days are frauds"
    assert card.words("amount_over_customer_mean_30d", 5.25) == "amount is 5.25 times the customer's mean of 30 days"
    assert card.words("terminal_last_fraud_hours", -1) == "no recent fraud at the terminal is known"
    assert card.words("night", 1) == "at night: yes"
    assert card.feature_digest
    descriptions = {feature.name: feature.description for feature in CARD_FEATURES}
    for name in card.feature_names:
        said = card.words(name, 2.0)
        assert "{" not in said
        assert not said.startswith(descriptions[name]), f"{name} has no words of its own"


def test_a_comparison_with_a_past_that_is_not_there_says_so() -> None:
    names = ("amount_over_customer_mean_30d", "customer_count_30d", "amount_over_customer_mean_7d", "customer_count_7d")
    (first, second) = DETECTORS["card"].reasons(names, (42.0, 0.0, 2.0, 3.0), (0.3, 0.0, 0.2, 0.0))
    assert first.text == "the customer has no transaction within 30 days"
    assert second.text == "amount is 2 times the customer's mean of 7 days"


def test_a_card_transaction_is_not_encoded_without_its_states() -> None:
    with pytest.raises(FieldError, match="states of their customers and terminals"):
        DETECTORS["card"].encode([{}])
    assert [p.field for p in DETECTORS["card"].check({"customer_id": "C1", "terminal_id": "M1"})] == ["amount_minor"]


def test_reasons_sum_the_columns_of_a_category_and_name_the_one_that_is_there() -> None:
    encoded = NETWORK.encode([flow(num_failed_logins=4)])[0].tolist()
    contributions = [0.0] * len(encoded)
    names = list(NETWORK.feature_names)
    contributions[names.index("service=http")] = 0.5
    contributions[names.index("service=ftp")] = 0.25
    contributions[names.index("num_failed_logins")] = -1.5
    reasons = NETWORK.reasons(names, encoded, contributions)
    assert [(r.feature, r.text, r.value, r.contribution) for r in reasons] == [
        ("num_failed_logins", "4 failed logins", 4, -1.5),
        ("service", "service is http", 1, 0.75),
    ]


def test_every_attack_of_both_published_parts_has_a_class() -> None:
    assert set(CLASS_OF_ATTACK.values()) == set(ATTACK_CLASSES)
    assert len(CLASS_OF_ATTACK) == 1 + 39


def test_fields_checks_and_words_need_no_numpy() -> None:
    code = (
        "import sys; from components.fraud.detectors import DETECTORS; d = DETECTORS['network'];"
        "d.check({'x': 1}); d.words('count', 1); d.feature_digest;"
        "assert not {'numpy', 'pandas', 'pyarrow', 'xgboost'} & set(sys.modules), 'heavy'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["network", "crypto"])
def test_the_how_to_lists_every_field_of_a_record_once(name: str) -> None:
    how_to = (REPOSITORY_ROOT / "docs" / "how-to" / "fraud.md").read_text()
    part = (
        how_to.split("## Ask the other two")[1].split("\n## ")[0].split(f'`"kind": "{name}"`')[1].split('`"kind": ')[0]
    )
    listed = re.findall(r"`(\w+)`", part)
    assert sorted(listed) == sorted(field.name for field in DETECTORS[name].fields)

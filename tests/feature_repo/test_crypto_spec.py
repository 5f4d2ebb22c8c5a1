from dataclasses import replace

import pytest

from feature_repo import crypto


def test_names_are_distinct_and_cover_every_group() -> None:
    assert len(crypto.FEATURE_NAMES) == len(set(crypto.FEATURE_NAMES)) == 44
    fixed = {"log_return_1", "log_volatility_h24", "log_range_h720", "log_realised_168", "rsi_14", "macd_histogram"}
    fixed |= {"sma_24", "ema_26", "bollinger_position_20", "atr_14", "volume_z_168", "hour", "weekday"}
    assert fixed <= set(crypto.FEATURE_NAMES)


def test_the_digest_is_twelve_hex_digits_and_repeats() -> None:
    digest = crypto.feature_digest()
    assert digest == crypto.feature_digest()
    assert len(digest) == 12
    int(digest, 16)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEFINITION_VERSION", crypto.DEFINITION_VERSION + 1),
        ("WINDOW_BARS", crypto.WINDOW_BARS + 1),
        ("FEATURES", crypto.FEATURES[::-1]),
        ("FEATURES", (replace(crypto.FEATURES[0], description="another meaning"), *crypto.FEATURES[1:])),
        ("PARAMETERS", replace(crypto.PARAMETERS, rsi=15)),
        ("PARAMETERS", replace(crypto.PARAMETERS, volatility_floor=1e-6)),
    ],
)
def test_the_digest_follows_version_window_order_meaning_and_parameters(
    monkeypatch: pytest.MonkeyPatch, name: str, value: object
) -> None:
    before = crypto.feature_digest()
    monkeypatch.setattr(crypto, name, value)
    assert crypto.feature_digest() != before

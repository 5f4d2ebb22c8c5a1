"""What the crypto predictor says of a series, and which versions it takes."""

import asyncio
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from predictor_kit import FEATURES, UNIQUE_IDS, expected_quantiles, make_bundle, window

from components.crypto.indicators import INDICATOR_NAMES, price_indicators
from feature_repo.crypto import FEATURE_NAMES, WINDOW_BARS
from feature_repo.online import Window
from runtime.bundle import read_bundle
from serving.batcher import ModelThread
from serving.crypto import CryptoPredictor
from serving.crypto_load import CryptoFamily
from serving.errors import DeadlineError, UnavailableError
from serving.lookup import WindowLookup
from serving.session import ModelRejectedError
from serving.settings import PredictorSettings
from serving.tensors import Array, Call, Tensor

BTC = UNIQUE_IDS[0]
HOUR = datetime(2024, 1, 1, 12, tzinfo=UTC)


class Memory:
    """An online store in memory."""

    def __init__(self) -> None:
        self.windows = {BTC: window(BTC, ds=HOUR)}
        self.delay_seconds = 0.0

    def read(self, unique_ids: Sequence[str]) -> list[Window | None]:
        time.sleep(self.delay_seconds)
        return [self.windows.get(one) for one in unique_ids]


@pytest.fixture
def store() -> Memory:
    return Memory()


def load(store: Memory, folder: Path, **bundle: object) -> CryptoPredictor:
    settings = PredictorSettings()
    lookup = WindowLookup(store, ThreadPoolExecutor(1), ttl_seconds=0, grace_seconds=0, clock=time.monotonic)
    return CryptoFamily(settings, lookup, ModelThread()).load(make_bundle(folder, **bundle), "7")  # type: ignore[arg-type]


async def ask(predictor: CryptoPredictor, *symbols: str, **parameters: object) -> dict[str, Array | Sequence[str]]:
    deadline = asyncio.get_running_loop().time() + 5
    outputs = await predictor.predict(Call({"symbol": Tensor.strings("symbol", symbols)}, parameters, deadline))
    return {tensor.name: tensor.data for tensor in outputs}


def changed(stored: Window, **last_row: float) -> Window:
    features = np.array(stored.window)
    for name, value in last_row.items():
        features[-1, FEATURE_NAMES.index(name)] = value
    return Window(stored.unique_id, stored.ds, features, stored.candles, stored.last_close)


async def test_a_model_of_fewer_bars_is_given_the_newest_of_the_window(store: Memory, tmp_path: Path) -> None:
    predictor = load(store, tmp_path / "b", window_bars=48)
    answer = await ask(predictor, "BTC", history_bars=WINDOW_BARS)
    np.testing.assert_allclose(answer["quantiles"], expected_quantiles(store.windows[BTC].window[None]), atol=1e-6)
    assert np.shape(answer["candles"]) == (1, WINDOW_BARS, 6), "history is what is stored, not what the model reads"
    deadline = asyncio.get_running_loop().time() + 5
    with pytest.raises(Exception, match=r"\[N, 48, "):
        whole = Tensor.of("window", np.zeros((1, WINDOW_BARS, FEATURES), np.float32))
        await predictor.predict(Call({"window": whole}, {}, deadline))


async def test_a_version_registered_before_signatures_goes_on_being_served(store: Memory, tmp_path: Path) -> None:
    folder = make_bundle(tmp_path / "b").path
    manifest = json.loads((folder / "bundle.json").read_text())
    del manifest["signature"]
    (folder / "bundle.json").write_text(json.dumps(manifest))
    lookup = WindowLookup(store, ThreadPoolExecutor(1), ttl_seconds=0, grace_seconds=0, clock=time.monotonic)
    predictor = CryptoFamily(PredictorSettings(), lookup, ModelThread()).load(read_bundle(folder), "3")
    answer = await ask(predictor, "BTC")
    np.testing.assert_allclose(answer["quantiles"], expected_quantiles(store.windows[BTC].window[None]), atol=1e-6)


@pytest.mark.parametrize("lost", ["timeframe", "symbols"])
def test_a_version_that_does_not_describe_a_forecaster_is_refused(store: Memory, tmp_path: Path, lost: str) -> None:
    folder = make_bundle(tmp_path / "b").path
    manifest = json.loads((folder / "bundle.json").read_text())
    del manifest[lost]
    (folder / "bundle.json").write_text(json.dumps(manifest))
    lookup = WindowLookup(store, ThreadPoolExecutor(1), ttl_seconds=0, grace_seconds=0, clock=time.monotonic)
    with pytest.raises(ModelRejectedError, match=lost):
        CryptoFamily(PredictorSettings(), lookup, ModelThread()).load(read_bundle(folder), "3")


async def test_context_is_that_of_the_newest_bar(store: Memory, tmp_path: Path) -> None:
    answer = await ask(load(store, tmp_path / "b"), "BTC", history_bars=3)
    stored = store.windows[BTC]
    assert answer["as_of"] == ["2024-01-01T13:00:00Z"], "the close of the bar that opened at 12"
    indicators = price_indicators(stored.window, stored.candles[:, 4])
    np.testing.assert_array_equal(answer["indicators"], indicators[None, -1])
    np.testing.assert_array_equal(answer["indicator_history"], indicators[None, -3:])
    assert list(answer["indicator_names"]) == list(INDICATOR_NAMES)
    np.testing.assert_array_equal(answer["last_close"], [stored.last_close])


async def test_inputs_unlike_the_training_data_are_told_by_name_and_distance(store: Memory, tmp_path: Path) -> None:
    """The bundle's statistics are mean 0, deviation 1 and percentiles at ±3 for every feature."""
    predictor = load(store, tmp_path / "b")
    calm = dict.fromkeys(FEATURE_NAMES, 0.5)
    store.windows[BTC] = changed(store.windows[BTC], **calm)
    answer = await ask(predictor, "BTC")
    assert answer["input_distance"] == pytest.approx([0.5])
    assert answer["unusual_features"] == ["[]"]
    store.windows[BTC] = changed(store.windows[BTC], rsi_14=-4.5, macd=3.5)
    answer = await ask(predictor, "BTC")
    assert answer["input_distance"] == pytest.approx([4.5])
    assert sorted(json.loads(answer["unusual_features"][0])) == ["macd", "rsi_14"]


async def test_a_refresh_changes_what_is_derived(store: Memory, tmp_path: Path) -> None:
    predictor = load(store, tmp_path / "b")
    before = await ask(predictor, "BTC")
    store.windows[BTC] = window(BTC, ds=datetime(2024, 1, 1, 13, tzinfo=UTC), seed=1)
    after = await ask(predictor, "BTC")
    assert after["as_of"] == ["2024-01-01T14:00:00Z"]
    assert not np.array_equal(before["indicators"], after["indicators"])
    assert not np.array_equal(before["quantiles"], after["quantiles"])


async def test_a_store_slower_than_the_deadline_is_504_and_not_an_error_of_ours(store: Memory, tmp_path: Path) -> None:
    predictor = load(store, tmp_path / "b")
    store.delay_seconds = 0.5
    deadline = asyncio.get_running_loop().time() + 0.05
    with pytest.raises(DeadlineError):
        await predictor.predict(Call({"symbol": Tensor.strings("symbol", ["BTC"])}, {}, deadline))


@pytest.mark.parametrize("spoil", ["nan", "shape"])
async def test_a_stored_window_that_is_unusable_is_503_and_says_what_to_do(
    store: Memory, tmp_path: Path, spoil: str
) -> None:
    stored = store.windows[BTC]
    features = np.array(stored.window)
    if spoil == "nan":
        features[3, 3] = np.nan
    else:
        features = features[:, :-1]
    store.windows[BTC] = Window(BTC, stored.ds, features, stored.candles, stored.last_close)
    with pytest.raises(UnavailableError, match="materialise the features again"):
        await ask(load(store, tmp_path / "b"), "BTC")


async def test_health_tells_age_by_event_time_and_what_is_missing(store: Memory, tmp_path: Path) -> None:
    predictor = load(store, tmp_path / "b")
    health = await predictor.health()
    assert health.ok
    assert health.details["as_of"] == "2024-01-01T13:00:00Z"
    assert health.details["stale"] is True
    expected = time.time() - datetime(2024, 1, 1, 13, tzinfo=UTC).timestamp()
    assert health.details["age_seconds"] == pytest.approx(expected, abs=10)
    assert health.details["missing"] == list(UNIQUE_IDS[1:])
    store.windows.clear()
    assert not (await predictor.health()).ok


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"symbols": ("BTC",)}, "no series id"),
        ({"symbols": ()}, "no symbols"),
        ({"timeframe": "5m"}, "not supported"),
        ({"feature_names": FEATURE_NAMES[::-1]}, "trained on features"),
        ({"feature_digest": "0" * 12}, "trained on features 000000000000"),
        ({"quantile_levels": (0.1, 0.5, 0.9)}, "has shape"),
        ({"nan": True}, "not finite"),
        ({"scale": -1.0}, "cross"),
    ],
)
def test_a_version_that_cannot_be_served_truly_is_refused_with_the_reason(
    store: Memory, tmp_path: Path, change: dict[str, object], why: str
) -> None:
    with pytest.raises(ModelRejectedError, match=why):
        load(store, tmp_path / "b", **change)


def test_a_file_that_is_no_model_is_refused(store: Memory, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "b")
    (bundle.path / "model.onnx").write_bytes(b"half a model")
    lookup = WindowLookup(store, ThreadPoolExecutor(1), ttl_seconds=0, grace_seconds=0, clock=time.monotonic)
    with pytest.raises(ModelRejectedError, match="cannot be opened"):
        CryptoFamily(PredictorSettings(), lookup, ModelThread()).load(bundle, "1")

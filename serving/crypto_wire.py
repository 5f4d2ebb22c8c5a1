"""Names and shapes of the crypto forecaster on the wire, and the symbols it answers to."""

from collections.abc import Mapping, Sequence

from components.crypto.indicators import INDICATOR_NAMES
from components.crypto.manifest import CryptoManifest
from components.crypto.series import Series
from feature_repo.crypto import FEATURE_NAMES
from feature_repo.online import CANDLE_FIELDS
from serving.errors import unknown_name
from serving.session import ModelRejectedError
from serving.tensors import TensorSpec


class SeriesIndex:
    """Symbols, in any case, to the `unique_id` of the series that a version was trained on."""

    def __init__(self, unique_ids: Sequence[str]) -> None:
        try:
            series = [Series.parse(unique_id) for unique_id in unique_ids]
        except ValueError as error:
            raise ModelRejectedError(f"the bundle's symbols are not series ids: {error}") from error
        short = [one.symbol for one in series]
        self.unique_ids = tuple(unique_ids)
        self.symbols = tuple(sorted({symbol for symbol in short if short.count(symbol) == 1}))
        self._by_name = {one.symbol.casefold(): one.unique_id for one in series if one.symbol in self.symbols}
        self._by_name |= {f"{one.symbol}-{one.quote}".casefold(): one.unique_id for one in series}
        self._by_name |= {one.unique_id.casefold(): one.unique_id for one in series}

    def unique_id(self, symbol: str) -> str:
        """`btc`, `BTC-USDT` or a whole id; raise UnknownNameError with the nearest symbol."""
        found = self._by_name.get(symbol) or self._by_name.get(symbol.strip().casefold())
        if found is None:
            raise unknown_name("symbol", symbol, self.symbols or self.unique_ids)
        return found


def input_specs(manifest: CryptoManifest) -> tuple[TensorSpec, ...]:
    """Either of these is what a request holds."""
    return (
        TensorSpec("symbol", "BYTES", (-1,)),
        TensorSpec("window", "FP32", (-1, manifest.window_bars, len(FEATURE_NAMES))),
    )


def output_specs(manifest: CryptoManifest) -> tuple[TensorSpec, ...]:
    """What an answer can hold; all but the first two only where the request names symbols."""
    levels, indicators = len(manifest.quantile_levels), len(INDICATOR_NAMES)
    return (
        TensorSpec("quantiles", "FP32", (-1, manifest.horizon_bars, levels)),
        TensorSpec("quantile_levels", "FP32", (levels,)),
        TensorSpec("as_of", "BYTES", (-1,)),
        TensorSpec("last_close", "FP64", (-1,)),
        TensorSpec("indicator_names", "BYTES", (indicators,)),
        TensorSpec("indicators", "FP64", (-1, indicators)),
        TensorSpec("input_distance", "FP32", (-1,)),
        TensorSpec("unusual_features", "BYTES", (-1,)),
        TensorSpec("candles", "FP64", (-1, -1, len(CANDLE_FIELDS))),
        TensorSpec("indicator_history", "FP64", (-1, -1, indicators)),
    )


def properties(manifest: CryptoManifest, index: SeriesIndex, registered_name: str) -> Mapping[str, object]:
    """What the model's metadata says beside its tensors."""
    return {
        "symbols": list(index.symbols or index.unique_ids),
        "unique_ids": list(index.unique_ids),
        "market": manifest.market,
        "timeframe": manifest.timeframe,
        "horizon_bars": manifest.horizon_bars,
        "quantile_levels": list(manifest.quantile_levels),
        "network": manifest.network,
        "feature_digest": manifest.feature_digest,
        "registered_name": registered_name,
    }

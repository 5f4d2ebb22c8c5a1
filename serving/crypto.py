"""The crypto forecaster: a window of features in, quantiles of cumulative log return out."""

import asyncio
import time
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from components.crypto.manifest import CryptoManifest
from components.crypto.series import Timeframe
from feature_repo.crypto import FEATURE_NAMES
from runtime.bundle import Bundle
from serving.batcher import MicroBatcher
from serving.crypto_rows import SeriesRow, SeriesRows, checked_history, rfc3339, series_tensors
from serving.crypto_wire import SeriesIndex, input_specs, output_specs, properties
from serving.errors import DeadlineError, InvalidValueError, MalformedError, UnavailableError
from serving.lookup import WindowLookup
from serving.settings import PredictorSettings
from serving.tensors import Call, Health, Tensor


class CryptoPredictor:
    """Answers for one model version.

    Args:
        bundle: The version's files.
        manifest: What it says of itself, checked by `load`.
        version: The registry's version.
        batcher: Calls the model.
        lookup: Reads windows.
        settings: Limits.
    """

    def __init__(
        self,
        bundle: Bundle,
        manifest: CryptoManifest,
        version: str,
        batcher: MicroBatcher,
        lookup: WindowLookup,
        settings: PredictorSettings,
    ) -> None:
        self.version = version
        self.parameters: Mapping[str, str] = {
            "network": manifest.network,
            "feature_digest": manifest.feature_digest,
            "bundle_digest": bundle.digest,
        }
        self._batcher, self._lookup = batcher, lookup
        self._max_rows = settings.max_batch_rows
        self._row_shape = (manifest.window_bars, len(FEATURE_NAMES))
        self._stale_after_seconds = settings.stale_after_bars * Timeframe(manifest.timeframe).seconds
        self._rows, self._index = SeriesRows(bundle, manifest.window_bars), SeriesIndex(manifest.symbols)
        self._levels = Tensor.of("quantile_levels", np.array(manifest.quantile_levels, np.float32), shared=True)
        self.inputs, self.outputs = input_specs(manifest), output_specs(manifest)
        self.properties = properties(manifest, self._index, settings.registry_name)

    @property
    def waiting_rows(self) -> int:
        """Rows that wait for the model."""
        return self._batcher.queued_rows

    async def predict(self, call: Call) -> Sequence[Tensor]:
        """Forecast the rows of `symbol` or of `window`."""
        if call.inputs.keys() == {"window"}:
            return await self._quantiles(self._checked_window(call.inputs["window"]), call)
        if call.inputs.keys() != {"symbol"}:
            raise MalformedError(f"expected one input, 'symbol' or 'window'; received {sorted(call.inputs)}")
        history_bars = checked_history(call.parameters.get("history_bars"))
        rows = await self._look_up(self._checked_symbols(call.inputs["symbol"]), call.deadline)
        windows = rows[0].window[None] if len(rows) == 1 else np.stack([row.window for row in rows])
        return [*await self._quantiles(windows, call), *series_tensors(rows, history_bars)]

    async def health(self) -> Health:
        """Read every series' window; at least one has to be there."""
        try:
            windows = await self._lookup.get(self._index.unique_ids)
        except UnavailableError as error:
            return Health(False, error.message)
        closed = [window.as_of for window in windows if window is not None]
        missing = [one for one, window in zip(self._index.unique_ids, windows, strict=True) if window is None]
        if not closed:
            return Health(
                False, "no series has features in the online store yet; run crypto-refresh", {"missing": missing}
            )
        age_seconds = max(0.0, time.time() - max(closed).timestamp())
        details = {
            "as_of": rfc3339(max(closed)),
            "oldest_as_of": rfc3339(min(closed)),
            "age_seconds": round(age_seconds),
        }
        return Health(True, "", {**details, "stale": age_seconds > self._stale_after_seconds, "missing": missing})

    async def _quantiles(self, windows: NDArray[np.float32], call: Call) -> tuple[Tensor, Tensor]:
        return Tensor.of("quantiles", await self._batcher.submit(windows, call.deadline, call.alive)), self._levels

    async def _look_up(self, unique_ids: Sequence[str], deadline: float) -> list[SeriesRow]:
        try:
            async with asyncio.timeout_at(deadline):
                windows = await self._lookup.get(unique_ids)
        except TimeoutError as error:
            raise DeadlineError("the deadline passed before the features had been read") from error
        rows = []
        for unique_id, window in zip(unique_ids, windows, strict=True):
            if window is None:
                raise UnavailableError(f"there are no features of {unique_id} yet; try again", retry_after_seconds=30)
            rows.append(self._rows.row(unique_id, window))
        return rows

    def _checked_symbols(self, tensor: Tensor) -> list[str]:
        if tensor.datatype != "BYTES" or len(tensor.shape) != 1 or isinstance(tensor.data, np.ndarray):
            raise InvalidValueError(f"expected 'symbol' as BYTES [N], received {tensor.datatype} {list(tensor.shape)}")
        self._check_rows(tensor.shape[0])
        return [self._index.unique_id(symbol) for symbol in tensor.data]

    def _checked_window(self, tensor: Tensor) -> NDArray[np.float32]:
        bars, features = self._row_shape
        if tensor.datatype != "FP32" or len(tensor.shape) != 3 or tensor.shape[1:] != self._row_shape:
            raise InvalidValueError(
                f"expected 'window' as FP32 [N, {bars}, {features}], received {tensor.datatype} {list(tensor.shape)}"
            )
        self._check_rows(tensor.shape[0])
        window = np.asarray(tensor.data, np.float32)
        if not np.isfinite(window).all():
            row, bar, feature = np.argwhere(~np.isfinite(window))[0]
            raise InvalidValueError(
                f"'window' holds a value that is not finite in row {row}, bar {bar}, {FEATURE_NAMES[feature]}"
            )
        return window

    def _check_rows(self, rows: int) -> None:
        if not 1 <= rows <= self._max_rows:
            raise InvalidValueError(f"a request takes 1 to {self._max_rows} rows, received {rows}; split it")

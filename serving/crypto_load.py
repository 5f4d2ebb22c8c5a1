"""Opens versions of the crypto forecaster, and refuses those that this process cannot serve truly."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from components.crypto.manifest import CryptoManifest
from components.crypto.series import Series, Timeframe
from feature_repo.crypto import FEATURE_NAMES, WINDOW_BARS, feature_digest
from runtime.bundle import Bundle, BundleError, BundleManifest
from serving.batcher import MicroBatcher, ModelThread
from serving.crypto import CryptoPredictor
from serving.crypto_rows import typical_window
from serving.lookup import WindowLookup
from serving.session import ModelRejectedError, OnnxModel
from serving.settings import PredictorSettings

FAMILY = "crypto"
MODEL_FILE = "model.onnx"

_SMOKE_TOLERANCE = 1e-4
"""Largest difference, in log return, between a row alone and the same row in a full batch."""


class CryptoFamily:
    """Loads versions of the crypto forecaster.

    Args:
        settings: Limits and threads.
        lookup: Reads windows, whatever the version.
        model_thread: Shared by versions, so that model calls never overlap.
        on_batch: Told the rows of every model call.
    """

    def __init__(
        self,
        settings: PredictorSettings,
        lookup: WindowLookup,
        model_thread: ModelThread,
        on_batch: Callable[[int], None] = lambda rows: None,
    ) -> None:
        self._settings, self._lookup = settings, lookup
        self._thread, self._on_batch = model_thread, on_batch

    def load(self, bundle: Bundle, version: str) -> CryptoPredictor:
        """Open, check, warm and smoke-test a version; blocks.

        Raises:
            ModelRejectedError: It cannot be served by this process; says why.
        """
        manifest = checked_manifest(bundle.manifest)
        model = OnnxModel(
            bundle.path / MODEL_FILE,
            input_name="window",
            output_name="quantiles",
            row_shape=(manifest.window_bars, len(FEATURE_NAMES)),
            answer_shape=(manifest.horizon_bars, len(manifest.quantile_levels)),
            threads=self._settings.intra_op_threads,
            providers=self._settings.execution_providers,
        )
        smoke(model, typical_window(bundle, manifest.window_bars), self._settings.max_batch_rows)
        batcher = MicroBatcher(
            model,
            self._thread,
            max_rows=self._settings.max_batch_rows,
            queue_rows=self._settings.queue_rows,
            on_batch=self._on_batch,
        )
        return CryptoPredictor(bundle, manifest, version, batcher, self._lookup, self._settings)


def checked_manifest(sealed: BundleManifest) -> CryptoManifest:
    """What a forecaster says of itself; ModelRejectedError unless it was trained on the features that are read here."""
    if sealed.family != FAMILY:
        raise ModelRejectedError(f"the version is of family {sealed.family!r}; this predictor serves {FAMILY!r}")
    try:
        manifest = CryptoManifest.of(sealed)
    except BundleError as error:
        raise ModelRejectedError(str(error)) from error
    if manifest.feature_digest != feature_digest() or manifest.feature_names != FEATURE_NAMES:
        raise ModelRejectedError(
            f"the version was trained on features {manifest.feature_digest}, and this process reads "
            f"{feature_digest()}; train with this code, or serve with the code it was trained by"
        )
    if not 1 <= manifest.window_bars <= WINDOW_BARS:
        raise ModelRejectedError(f"the version wants {manifest.window_bars} bars; the store keeps {WINDOW_BARS}")
    if not manifest.symbols:
        raise ModelRejectedError("the version names no symbols")
    try:
        Timeframe(manifest.timeframe)
        markets = {Series.parse(unique_id).market for unique_id in manifest.symbols}
    except ValueError as error:
        raise ModelRejectedError(str(error)) from error
    if markets != {manifest.market}:
        raise ModelRejectedError(
            f"the version is for market {manifest.market!r} and its series are of {sorted(markets)}"
        )
    return manifest


def smoke(model: OnnxModel, window: NDArray[np.float32], rows: int) -> None:
    """Call the model on one row and on a full batch of the same row; raise ModelRejectedError if it fails."""
    try:
        alone = model(window[None])[0]
        batch = model(np.repeat(window[None], rows, axis=0))
    except Exception as error:  # noqa: BLE001 - the runtime's errors share no base class
        raise ModelRejectedError(f"the smoke test failed: {error}") from error
    apart = float(np.abs(batch - alone).max())
    if not np.isfinite(batch).all():
        raise ModelRejectedError("the smoke test was answered with values that are not finite")
    if apart > _SMOKE_TOLERANCE:
        raise ModelRejectedError(f"a row alone and in a batch of {rows} differ by {apart:.2g} in log return")
    if (np.diff(alone, axis=-1) < 0).any():
        raise ModelRejectedError("the quantiles of the smoke test cross: they must ascend along the last axis")

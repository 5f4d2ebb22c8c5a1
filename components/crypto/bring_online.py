"""What a version needs before it can serve: its features online for every series it was trained on."""

import tempfile
from pathlib import Path

from components.crypto.manifest import CryptoManifest
from components.crypto.series import Series
from feature_repo.crypto import feature_digest
from feature_repo.online import FeastWindowReader, FeatureServiceMissingError
from runtime.bundle import Bundle


class FeaturesNotOnlineError(LookupError):
    """The version's features are not online, and this code cannot compute them."""


def bring_online(bundle: Bundle) -> None:
    """Make sure that the windows a version reads are online; computes them where they are missing.

    Args:
        bundle: The version; features are those of its feature digest.

    Raises:
        FeaturesNotOnlineError: They are missing and were defined by other code; names both digests.
    """
    manifest = CryptoManifest.of(bundle.manifest)
    missing = _missing(manifest)
    if not missing:
        return
    if manifest.feature_digest != feature_digest():
        raise FeaturesNotOnlineError(
            f"version of {bundle.manifest.name} reads features {manifest.feature_digest}, which are not online for "
            f"{', '.join(missing)}; this code computes {feature_digest()}: run crypto-refresh from the code revision "
            f"{bundle.manifest.code_revision}, or promote another version"
        )
    _materialise(manifest)


def _missing(manifest: CryptoManifest) -> list[str]:
    try:
        reader = FeastWindowReader(manifest.feature_digest)
    except FeatureServiceMissingError:
        return list(manifest.symbols)
    windows = reader.read(manifest.symbols)
    return [series for series, window in zip(manifest.symbols, windows, strict=True) if window is None]


def _materialise(manifest: CryptoManifest) -> None:
    from components.crypto.features import build_features
    from components.crypto.ingest import ingest_candles
    from components.crypto.materialise import materialise_windows

    with tempfile.TemporaryDirectory(prefix="features-") as scratch:
        candles, table = Path(scratch) / "candles.parquet", Path(scratch) / "features.parquet"
        symbols = [Series.parse(unique_id).symbol for unique_id in manifest.symbols]
        ingest_candles(candles, symbols=symbols, timeframe=manifest.timeframe)
        build_features(candles, table)
        materialise_windows(candles, table)

"""The entity, views and services of the current definitions, over the sources of a profile."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, RepoConfig, ValueType
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.types import Bytes, Float32, Float64

from feature_repo import names
from feature_repo.crypto import BAR_SECONDS, FEATURES
from feature_repo.names import ASOF_STORE
from feature_repo.store import FeatureStoreConfigError, offline_location, state_folder


def definitions(config: RepoConfig) -> list[Entity | FeatureView | FeatureService]:
    """Everything that the current digest needs; nothing of an older digest is named, and so nothing is removed."""
    series = Entity(
        name=names.SERIES_ENTITY,
        join_keys=[names.SERIES_KEY],
        value_type=ValueType.STRING,
        description="a traded instrument on an exchange and market, `exchange:market:SYMBOL-QUOTE`",
    )
    rows = FeatureView(
        name=names.rows_view(),
        entities=[series],
        # A row speaks for the bar that follows its close and no longer: a later moment without its own row gets none.
        ttl=timedelta(seconds=BAR_SECONDS - 1),
        schema=[
            Field(name="close", dtype=Float64),
            *(Field(name=f.name, dtype=Float32, description=f.description) for f in FEATURES),
        ],
        source=offline_source(config, names.rows_view()),
        online=False,
        description="one row a closed bar",
    )
    window = FeatureView(
        name=names.window_view(),
        entities=[series],
        # The reader judges freshness by event time; a limit here would turn a stale window into an absent one.
        ttl=timedelta(0),
        schema=[
            Field(name="window", dtype=Bytes, description="float32 [L, F], little endian, oldest bar first"),
            Field(
                name="candles", dtype=Bytes, description="float64 [L, 6]: epoch seconds, open, high, low, close, volume"
            ),
            Field(name="last_close", dtype=Float64),
        ],
        # Feast wants a batch source behind whatever is pushed; the rows are what every window can be cut from again.
        source=PushSource(name=f"{names.window_view()}_push", batch_source=offline_source(config, names.rows_view())),
        online=True,
        description="each series' latest window",
    )
    return [
        series,
        rows,
        window,
        FeatureService(name=names.training_service(), features=[rows]),
        FeatureService(name=names.serving_service(), features=[window]),
    ]


def offline_source(config: RepoConfig, view: str) -> DataSource:
    """The offline source of a view: a Parquet file locally, a table or a Parquet object in production.

    Raises:
        FeatureStoreConfigError: The profile's offline store is none that we know.
    """
    kind = config.offline_store.type
    common = {"name": f"{view}_source", "timestamp_field": names.EVENT_TIME}
    if kind in (ASOF_STORE, "duckdb"):
        return FileSource(
            path=str(state_folder() / "offline" / f"{view}.parquet"), file_format=ParquetFormat(), **common
        )
    if kind == "bigquery":
        from feast import BigQuerySource

        return BigQuerySource(table=f"{offline_location()}.{view}", **common)
    if kind == "spark":
        from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

        return SparkSource(path=f"{offline_location().rstrip('/')}/{view}.parquet", file_format="parquet", **common)
    raise FeatureStoreConfigError(f"no offline source for a store of type {kind!r}; use duckdb, bigquery or spark")

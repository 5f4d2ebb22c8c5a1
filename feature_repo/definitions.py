"""The entity, views and services of the current definitions, over the sources of a profile."""

from datetime import timedelta
from typing import TypeAlias

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, RepoConfig, ValueType
from feast.data_format import ParquetFormat
from feast.data_source import DataSource
from feast.types import Bytes, Float32, Float64, Int64

from feature_repo import names
from feature_repo.crypto import BAR_SECONDS, FEATURES
from feature_repo.names import ASOF_STORE
from feature_repo.store import FeatureStoreConfigError, offline_location, state_folder

Definition: TypeAlias = Entity | FeatureView | FeatureService


def definitions(config: RepoConfig) -> list[Definition]:
    """Everything that the current digests need; nothing of an older digest is named, and so nothing is removed."""
    return [*crypto_definitions(config), *card_definitions(config)]


def crypto_definitions(config: RepoConfig) -> list[Definition]:
    """Each series' rows for training and its latest window for serving."""
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


def card_definitions(config: RepoConfig) -> list[Definition]:
    """What each customer and each terminal has done so far, for serving."""
    customer = Entity(
        name=names.CUSTOMER_ENTITY,
        join_keys=[names.CUSTOMER_KEY],
        value_type=ValueType.STRING,
        description="whoever holds the card",
    )
    terminal = Entity(
        name=names.TERMINAL_ENTITY,
        join_keys=[names.TERMINAL_KEY],
        value_type=ValueType.STRING,
        description="where a card is used",
    )
    views = [
        _state_view(config, names.customer_state_view(), customer),
        _state_view(config, names.terminal_state_view(), terminal),
    ]
    return [customer, terminal, *views, FeatureService(name=names.card_state_service(), features=views)]


def _state_view(config: RepoConfig, name: str, entity: Entity) -> FeatureView:
    return FeatureView(
        name=name,
        entities=[entity],
        # A window is counted back from the transaction, so a state never grows stale by itself.
        ttl=timedelta(0),
        schema=[
            Field(name="state", dtype=Bytes, description="components.fraud.cards.state.EntityState, encoded"),
            Field(
                name="last_sequence", dtype=Int64, description="newest decision log sequence that it holds; -1: none"
            ),
        ],
        # Nothing is ever read from the batch source: states are built from transactions and the decision log.
        source=PushSource(name=f"{name}_push", batch_source=offline_source(config, name)),
        online=True,
        description=f"each {entity.name}'s buckets of transactions and frauds",
    )


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

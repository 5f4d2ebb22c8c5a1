"""Keep the crypto features fresh between trainings."""

from kfp import dsl

from components.crypto import steps as crypto
from components.release import steps as release
from pipelines.wiring import pipeline

NAME = "crypto-refresh"
JOB = dsl.PIPELINE_JOB_ID_PLACEHOLDER


@pipeline(
    name=NAME,
    cron="1 * * * *",
    choices={"timeframe": ("1h",), "source": ("", "recorded", "exchange", "coingecko")},
)
def crypto_refresh(
    symbols: list[str] = ["BTC", "ETH", "SOL", "DOGE", "XRP", "BNB"],  # noqa: B006 - kfp reads the default, nobody changes it
    timeframe: str = "1h",
    source: str = "",
) -> None:
    """Ingest, validate, featurise and materialise after each closed bar; nothing is trained."""
    closing = release.close_run(pipeline=NAME, job=JOB)
    closing.set_retry(2, backoff_duration="30s").set_cpu_limit("1").set_memory_limit("1G")
    with dsl.ExitHandler(closing, name="run"):
        ingested = crypto.ingest_candles(pipeline=NAME, job=JOB, symbols=symbols, timeframe=timeframe, source=source)
        ingested.set_retry(2, backoff_duration="30s").set_cpu_limit("1").set_memory_limit("2G")
        run_id, candles = ingested.outputs["run_id"], ingested.outputs["candles"]
        checked = crypto.validate_candles(
            candles=candles,
            pipeline=NAME,
            run_id=run_id,
            timeframe=timeframe,
            source_clock=ingested.outputs["source_clock"],
        )
        checked.set_retry(1).set_cpu_limit("1").set_memory_limit("2G")
        with dsl.If(checked.outputs["passed"] == True, name="valid"):  # noqa: E712 - a condition of the graph
            built = crypto.build_features(candles=candles, pipeline=NAME, run_id=run_id)
            built.set_retry(1).set_cpu_limit("2").set_memory_limit("4G")
            online = crypto.materialise_features(
                candles=candles, features=built.outputs["features"], pipeline=NAME, run_id=run_id
            )
            online.set_retry(2, backoff_duration="30s").set_cpu_limit("1").set_memory_limit("2G")
        with dsl.Else(name="invalid"):
            release.fail_validation(failures=checked.outputs["failures"]).set_cpu_limit("1").set_memory_limit("1G")

"""Train, judge and release the crypto forecasters."""

from kfp import dsl

from components.crypto import steps as crypto
from components.release import steps as release
from feature_repo.crypto import HORIZON_BARS
from pipelines.wiring import on_accelerator, pipeline

NAME = "crypto-forecast"
JOB = dsl.PIPELINE_JOB_ID_PLACEHOLDER


@pipeline(
    name=NAME,
    cron="0 4 * * 0",
    choices={
        "timeframe": ("1h",),
        "profile": ("quick", "full"),
        "source": ("", "recorded", "exchange", "coingecko"),
        "horizon_bars": range(1, HORIZON_BARS + 1),
    },
    cluster_arguments={"inference_service": "ai-orchestration/crypto-forecast-1h"},
)
def crypto_forecast(
    symbols: list[str] = ["BTC", "ETH", "SOL", "DOGE", "XRP", "BNB"],  # noqa: B006 - kfp reads the default, nobody changes it
    timeframe: str = "1h",
    horizon_bars: int = HORIZON_BARS,
    profile: str = "full",
    source: str = "",
    seed: int = 0,
    inference_service: str = "",
) -> None:
    """Ingest, validate, featurise, train LSTM and Transformer beside HAR, evaluate, register, gate, promote."""
    closing = release.close_run(pipeline=NAME, job=JOB)
    closing.set_retry(2, backoff_duration="30s").set_cpu_limit("1").set_memory_limit("1G")
    with dsl.ExitHandler(closing, name="run"):
        ingested = crypto.ingest_candles(
            pipeline=NAME,
            job=JOB,
            symbols=symbols,
            timeframe=timeframe,
            source=source,
            profile=profile,
            horizon_bars=horizon_bars,
            seed=seed,
        )
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
            read = crypto.read_training_set(
                candles=candles, features=built.outputs["features"], pipeline=NAME, run_id=run_id
            )
            read.set_retry(2, backoff_duration="30s").set_cpu_limit("2").set_memory_limit("4G")
            table = read.outputs["training_set"]

            trained = {}
            for network in ("lstm", "transformer"):
                fitted = crypto.train_forecaster(
                    features=table,
                    pipeline=NAME,
                    run_id=run_id,
                    network=network,
                    profile=profile,
                    horizon_bars=horizon_bars,
                    seed=seed,
                )
                fitted.set_retry(2, backoff_duration="30s").set_cpu_limit("4").set_memory_limit("8G")
                trained[network] = on_accelerator(fitted).set_display_name(f"train-{network}")
            baseline = crypto.fit_baseline(features=table, pipeline=NAME, run_id=run_id, horizon_bars=horizon_bars)
            baseline.set_retry(1).set_cpu_limit("1").set_memory_limit("4G")

            champion = release.fetch_champion(
                pipeline=NAME, run_id=run_id, registered_model=ingested.outputs["registered_model"]
            )
            champion.set_retry(2, backoff_duration="30s").set_cpu_limit("1").set_memory_limit("1G")
            judged = crypto.evaluate(
                features=table,
                lstm=trained["lstm"].outputs["candidate"],
                transformer=trained["transformer"].outputs["candidate"],
                har=baseline.outputs["candidate"],
                champion=champion.outputs["champion"],
                pipeline=NAME,
                run_id=run_id,
                profile=profile,
                timeframe=timeframe,
                horizon_bars=horizon_bars,
            )
            judged.set_retry(1).set_cpu_limit("4").set_memory_limit("8G")

            registered = release.register_candidates(
                evaluated=judged.outputs["evaluated"],
                pipeline=NAME,
                run_id=run_id,
                family="crypto",
                registered_model=ingested.outputs["registered_model"],
            )
            registered.set_retry(2, backoff_duration="30s").set_cpu_limit("1").set_memory_limit("2G")
            decided = release.gate(
                evaluated=judged.outputs["evaluated"],
                champion=champion.outputs["champion"],
                pipeline=NAME,
                run_id=run_id,
                versions=registered.output,
                champion_scored=judged.outputs["champion_scored"],
                champion_reason=judged.outputs["champion_reason"],
                block_seconds=judged.outputs["block_seconds"],
            )
            decided.set_retry(1).set_cpu_limit("1").set_memory_limit("2G")

            with dsl.If(decided.outputs["promote"] == True, name="better"):  # noqa: E712 - a condition of the graph
                online = crypto.materialise_features(
                    candles=candles, features=built.outputs["features"], pipeline=NAME, run_id=run_id
                )
                online.set_retry(2, backoff_duration="30s").set_cpu_limit("1").set_memory_limit("2G")
                promoted = release.promote(
                    pipeline=NAME,
                    run_id=run_id,
                    registered_model=ingested.outputs["registered_model"],
                    version=decided.outputs["version"],
                    against=champion.outputs["Output"],
                    reason=decided.outputs["reason"],
                )
                promoted.after(online).set_retry(2, backoff_duration="30s").set_cpu_limit("1").set_memory_limit("2G")
                with dsl.If(inference_service != "", name="on-kserve"):
                    deployed = release.deploy(
                        pipeline=NAME,
                        run_id=run_id,
                        inference_service=inference_service,
                        version=decided.outputs["version"],
                        reason=decided.outputs["reason"],
                    )
                    deployed.after(promoted).set_retry(2, backoff_duration="30s")
                    deployed.set_cpu_limit("1").set_memory_limit("1G")
            # With an Else, since the local runner skips a lone If whose condition is one of several outputs of a step.
            with dsl.Else(name="not-better"):
                kept = release.keep_champion(pipeline=NAME, run_id=run_id, reason=decided.outputs["reason"])
                kept.set_retry(1).set_cpu_limit("1").set_memory_limit("1G")
        with dsl.Else(name="invalid"):
            release.fail_validation(failures=checked.outputs["failures"]).set_cpu_limit("1").set_memory_limit("1G")

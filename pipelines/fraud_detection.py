"""Train, judge and release one fraud detector."""

from kfp import dsl

from components.fraud import steps as fraud
from components.release import steps as release
from pipelines.wiring import pipeline

NAME = "fraud-detection"
JOB = dsl.PIPELINE_JOB_ID_PLACEHOLDER
LEARNERS = ("xgboost", "random_forest")


@pipeline(
    name=NAME,
    cron="0 5 * * 0",
    choices={"detector": ("card", "network", "crypto"), "profile": ("quick", "full")},
    cluster_arguments={"inference_service": "ai-orchestration/fraud-detection"},
)
def fraud_detection(
    detector: str = "card",
    data: str = "",
    profile: str = "full",
    rows: int = 0,
    trials: int = 0,
    seed: int = 0,
    costs: str = "",
    inference_service: str = "",
) -> None:
    """Prepare, validate, featurise, train XGBoost beside Random Forest, evaluate, register, gate, promote."""
    closing = release.close_run(pipeline=NAME, job=JOB)
    closing.set_retry(2, backoff_duration="30s").set_cpu_limit("1").set_memory_limit("1G")
    with dsl.ExitHandler(closing, name="run"):
        prepared = fraud.prepare_data(
            pipeline=NAME,
            job=JOB,
            detector=detector,
            data=data,
            profile=profile,
            rows=rows,
            trials=trials,
            seed=seed,
            costs=costs,
        )
        prepared.set_retry(1).set_cpu_limit("1").set_memory_limit("4G")
        run_id, table = prepared.outputs["run_id"], prepared.outputs["table"]
        registered_model, clock = prepared.outputs["registered_model"], prepared.outputs["clock"]
        checked = fraud.validate_data(table=table, pipeline=NAME, run_id=run_id, detector=detector, clock=clock)
        checked.set_retry(1).set_cpu_limit("1").set_memory_limit("8G")

        with dsl.If(checked.outputs["passed"] == True, name="valid"):  # noqa: E712 - a condition of the graph
            built = fraud.build_features(table=table, pipeline=NAME, run_id=run_id, detector=detector)
            built.set_retry(1).set_cpu_limit("2").set_memory_limit("4G")
            features = built.outputs["features"]

            trained = {}
            for learner in LEARNERS:
                fitted = fraud.fit_detector(
                    features=features,
                    pipeline=NAME,
                    run_id=run_id,
                    detector=detector,
                    learner=learner,
                    profile=profile,
                    trials=trials,
                    seed=seed,
                    costs=costs,
                )
                fitted.set_retry(2, backoff_duration="30s").set_cpu_limit("4").set_memory_limit("8G")
                trained[learner] = fitted.set_display_name(f"fit-{learner.replace('_', '-')}")

            champion = release.fetch_champion(pipeline=NAME, run_id=run_id, registered_model=registered_model)
            champion.set_retry(2, backoff_duration="30s").set_cpu_limit("1").set_memory_limit("1G")
            judged = fraud.evaluate(
                features=features,
                xgboost=trained["xgboost"].outputs["candidate"],
                random_forest=trained["random_forest"].outputs["candidate"],
                champion=champion.outputs["champion"],
                pipeline=NAME,
                run_id=run_id,
                detector=detector,
                profile=profile,
                seed=seed,
                costs=costs,
            )
            judged.set_retry(1).set_cpu_limit("2").set_memory_limit("8G")

            registered = release.register_candidates(
                evaluated=judged.outputs["evaluated"],
                pipeline=NAME,
                run_id=run_id,
                family="fraud",
                registered_model=registered_model,
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
                online = fraud.materialise_states(
                    table=table, pipeline=NAME, run_id=run_id, detector=detector, clock=clock
                )
                online.set_retry(2, backoff_duration="30s").set_cpu_limit("2").set_memory_limit("4G")
                promoted = release.promote(
                    pipeline=NAME,
                    run_id=run_id,
                    registered_model=registered_model,
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
                        registered_model=registered_model,
                    )
                    deployed.after(promoted).set_retry(2, backoff_duration="30s")
                    deployed.set_cpu_limit("1").set_memory_limit("1G")
            # With an Else, since the local runner skips a lone If whose condition is one of several outputs of a step.
            with dsl.Else(name="not-better"):
                kept = release.keep_champion(pipeline=NAME, run_id=run_id, reason=decided.outputs["reason"])
                kept.set_retry(1).set_cpu_limit("1").set_memory_limit("1G")
        with dsl.Else(name="invalid"):
            release.fail_validation(failures=checked.outputs["failures"]).set_cpu_limit("1").set_memory_limit("1G")

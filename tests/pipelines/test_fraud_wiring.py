"""The fraud pipeline, compiled and looked into; what holds for every pipeline is tested with crypto's."""

import pytest

from pipelines.wiring import load_pipeline
from pipelines.wiring.parameters import ParameterError, parse_parameters
from tests.pipelines.test_wiring_of_crypto import compile_for, conditions, executors, graph_with, tasks

STEPS = {
    "build-features",
    "close-run",
    "deploy",
    "evaluate",
    "fail-validation",
    "fetch-champion",
    "fit-detector",
    "fit-detector-2",
    "gate",
    "keep-champion",
    "materialise-states",
    "prepare-data",
    "promote",
    "register-candidates",
    "validate-data",
}


def test_nothing_is_trained_before_validation_and_nothing_promoted_before_the_gate() -> None:
    pipeline = compile_for("local", "fraud-detection")

    assert set(executors(pipeline)) == STEPS
    outer, inner = (graph_with(pipeline, name) for name in ("fit-detector", "promote"))
    assert conditions(pipeline, outer) == ["inputs.parameter_values['pipelinechannel--validate-data-passed'] == true"]
    assert conditions(pipeline, inner) == ["inputs.parameter_values['pipelinechannel--gate-promote'] == true"]
    assert "materialise-states" in tasks(pipeline)["promote"]["dependentTasks"]
    assert tasks(pipeline)["close-run"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"


def test_both_learners_are_trained_on_the_same_features_and_judged_together() -> None:
    found = tasks(compile_for("local", "fraud-detection"))

    learners = {
        name: found[name]["inputs"]["parameters"]["learner"]["runtimeValue"]["constant"]
        for name in ("fit-detector", "fit-detector-2")
    }
    assert set(learners.values()) == {"xgboost", "random_forest"}
    sources = [found[name]["inputs"]["artifacts"]["features"] for name in (*learners, "evaluate")]
    assert sources[0] == sources[1] == sources[2]


def test_a_detector_that_does_not_exist_is_refused_before_anything_runs() -> None:
    with pytest.raises(ParameterError, match="takes one of card, network, crypto"):
        parse_parameters(load_pipeline("fraud-detection"), ["detector=cards"])

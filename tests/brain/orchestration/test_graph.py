import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brain.capabilities import Registry
from brain.orchestration.conditions import Condition
from brain.orchestration.cycles import a_cycle
from brain.orchestration.graph import Graph, Step, check
from brain.orchestration.parameters import parameter_errors
from runtime.problems import Problem

BTC = {"symbol": "BTC"}


def graph(registry: Registry, *steps: dict[str, Any]) -> Graph:
    given = [{"type": "crypto_prediction", "parameters": BTC, "place": ("tasks", n)} | s for n, s in enumerate(steps)]
    return check([Step(**one) for one in given], registry)


def refused(registry: Registry, *steps: dict[str, Any]) -> dict[str, str]:
    """Pointers and details of what was refused."""
    with pytest.raises(Problem) as problem:
        graph(registry, *steps)
    assert problem.value.status == 422
    return {error.pointer: error.detail for error in problem.value.errors}


def test_edges_come_from_dependencies_references_and_conditions(registry: Registry) -> None:
    when = Condition.model_validate({"ref": "${tasks.c.state}", "op": "eq", "value": "failed"})
    found = graph(
        registry,
        {"id": "a"},
        {"id": "b"},
        {"id": "c"},
        {"id": "d", "depends_on": ["a", "a"], "when": when, "parameters": {"symbol": "${tasks.b.result.symbol}"}},
    )
    assert found.after == {"a": (), "b": (), "c": (), "d": ("a", "b", "c")}
    assert found.capabilities["d"].type == "crypto_prediction"


def test_ids_are_unique_and_well_formed(registry: Registry) -> None:
    found = refused(registry, {"id": "a"}, {"id": "a"}, {"id": "a.b"}, {"id": ""})
    assert found == {
        "/tasks/1/id": "task 'a': /tasks/0 has this id already; choose another",
        "/tasks/2/id": "task 'a.b': an id has 1 to 64 letters, digits, `_` and `-`; choose another",
        "/tasks/3/id": "task '': an id has 1 to 64 letters, digits, `_` and `-`; choose another",
    }


def test_an_unknown_type_comes_with_the_nearest(registry: Registry) -> None:
    found = refused(registry, {"id": "a", "type": "crypto_predicton"})
    assert found["/tasks/0/type"].startswith(
        "task 'a': there is no type 'crypto_predicton'; did you mean 'crypto_prediction'?"
    )


def test_an_unknown_dependency_comes_with_the_nearest(registry: Registry) -> None:
    found = refused(
        registry,
        {"id": "fetch"},
        {"id": "b", "depends_on": ["fetch", "fetsch"]},
        {"id": "c", "parameters": {"symbol": "${tasks.nobody-at-all.result}"}},
        {"id": "d", "when": Condition.model_validate({"ref": "${tasks.e.state}", "op": "exists"})},
    )
    assert found == {
        "/tasks/1/depends_on/1": "task 'b': there is no task 'fetsch'; did you mean 'fetch'?",
        "/tasks/2/params/symbol": "task 'c': there is no task 'nobody-at-all'; name one that the request has",
        "/tasks/3/when": "task 'd': there is no task 'e'; name one that the request has",
    }


def test_a_bad_reference_is_named_where_it_stands(registry: Registry) -> None:
    found = refused(registry, {"id": "a"}, {"id": "b", "parameters": {"symbol": "${tasks.a.reslt.x}"}})
    assert list(found) == ["/tasks/1/params/symbol"]
    assert "task 'b'" in found["/tasks/1/params/symbol"] and "did you mean 'result'" in found["/tasks/1/params/symbol"]


def test_a_task_does_not_wait_for_itself(registry: Registry) -> None:
    found = refused(registry, {"id": "a", "parameters": {"symbol": "${tasks.a.result}"}}, {"id": "b"})
    assert found == {"/tasks/0/params/symbol": "task 'a': it waits for itself; name another task"}


def test_a_cycle_is_named(registry: Registry) -> None:
    found = refused(
        registry,
        {"id": "a"},
        {"id": "b", "depends_on": ["a", "d"]},
        {"id": "c", "depends_on": ["b"]},
        {"id": "d", "parameters": {"symbol": "${tasks.c.result}"}},
    )
    ((pointer, detail),) = found.items()
    assert pointer in {"/tasks/1", "/tasks/2", "/tasks/3"}
    assert any(f"wait for one another: {way};" in detail for way in ("b -> d -> c -> b", "d -> c -> b -> d"))


def test_parameters_are_held_against_the_capability(registry: Registry) -> None:
    found = refused(
        registry,
        {"id": "a", "parameters": {}},
        {"id": "b", "parameters": {"symbol": "BTC", "prediction_horizon": 25, "simbol": "x"}},
        {"id": "c", "type": "fraud_analysis", "parameters": {"customer_id": "C1", "amount_minor": "4"}},
        {"id": "d", "type": "fraud_analysis", "parameters": {"kind": "phone"}},
    )
    assert found["/tasks/0/params/symbol"] == "task 'a': is missing; it is required"
    assert found["/tasks/1/params/prediction_horizon"].endswith("bars from 1 to 24; received 25")
    assert found["/tasks/1/params/simbol"] == "task 'b': there is no such parameter"
    assert set(found) >= {"/tasks/2/params/terminal_id", "/tasks/2/params/amount_minor", "/tasks/3/params/kind"}


def test_raw_fields_of_a_detector_are_checked_before_anything_runs(registry: Registry) -> None:
    record = {"src_bytes": -1, "dst_bytes": "${tasks.a.result.bytes}", "bytes": 1}
    found = refused(
        registry,
        {"id": "a"},
        {"id": "b", "type": "fraud_analysis", "parameters": {"kind": "network", "record": record}},
    )
    assert "/tasks/1/params/record/src_bytes" in found
    assert "/tasks/1/params/record/bytes" in found
    assert "/tasks/1/params/record/duration" in found
    assert "/tasks/1/params/record/dst_bytes" not in found


def test_a_reference_counts_as_any_value(registry: Registry) -> None:
    found = graph(
        registry,
        {"id": "a"},
        {"id": "b", "parameters": {"symbol": "BTC", "prediction_horizon": "${tasks.a.result.prediction_horizon}"}},
        {
            "id": "c",
            "type": "fraud_analysis",
            "parameters": {"customer_id": "C1", "terminal_id": "T1", "amount_minor": "${tasks.a.result.last_price}"},
        },
    )
    assert found.after["c"] == ("a",)


def test_once_references_are_resolved_nothing_is_a_reference_any_more(registry: Registry) -> None:
    capability = registry.get("crypto_prediction")
    for text in ("${tasks.a.result.symbol}", "${oops"):
        found = dict(parameter_errors(capability, {"symbol": text}, resolved=True))
        assert "received" in found[("symbol",)]
    assert dict(parameter_errors(capability, {"symbol": "${tasks.a.result.symbol}"})) == {}


def test_a_type_that_is_not_served_takes_any_parameters(registry: Registry) -> None:
    found = graph(registry, {"id": "a", "type": "image_generation", "parameters": {"prompt": "...", "anything": [1]}})
    assert not found.capabilities["a"].served


def test_a_thousand_tasks_are_checked_within_a_moment_and_one_more_is_too_many(registry: Registry) -> None:
    steps = [{"id": f"t{n}", "depends_on": [f"t{n - 1}"] if n else []} for n in range(1000)]
    begun = time.process_time()
    graph(registry, *steps)
    assert time.process_time() - begun < 1.0
    assert list(refused(registry, *steps, {"id": "last"})) == ["/tasks"]


def test_many_wrong_names_are_told_within_a_moment(registry: Registry) -> None:
    steps = [{"id": f"task-number-{n}", "depends_on": [f"task-numbr-{m}" for m in range(20)]} for n in range(1000)]
    begun = time.process_time()
    assert len(refused(registry, *steps)) == 100
    assert time.process_time() - begun < 1.0


edges = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=30)


@given(edges)
def test_a_cycle_is_found_where_there_is_one_and_only_there(pairs: list[tuple[int, int]]) -> None:
    after: dict[str, list[str]] = {str(node): [] for node in range(10)}
    for node, other in pairs:
        after[str(node)].append(str(other))
    found = a_cycle(after)
    for node, other in zip(found, (*found[1:], *found[:1]), strict=True):
        assert other in after[node]
    if not found:
        left = dict(after)
        while left:  # Kahn: without a cycle there is always one whose predecessors are gone
            free = [node for node, before in left.items() if not set(before) & set(left)]
            assert free
            for node in free:
                del left[node]

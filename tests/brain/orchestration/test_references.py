import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brain.orchestration.references import (
    Reference,
    ReferenceSyntaxError,
    UnresolvedError,
    find,
    parse,
    resolve,
)
from tests.support.ended import Ended

TASKS = {
    "a": Ended("succeeded", {"steps": [{"median": 1.5}, {"median": 2.0}], "name": "BTC", "none": None}),
    "b": Ended("failed", None, {"status": 503, "detail": "not served"}),
}

names = st.text(st.characters(exclude_characters=".{}", exclude_categories=["Cs"]), min_size=1, max_size=8)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=12)


def test_a_reference_names_a_task_a_part_and_a_path() -> None:
    assert parse("${tasks.a-1.result.steps.0.median}") == Reference(
        "${tasks.a-1.result.steps.0.median}", "a-1", "result", ("steps", "0", "median")
    )
    assert parse("${tasks.b.state}").part == "state"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${a.result}", "is no reference"),
        ("${tasks.a}", "is no reference"),
        ("${tasks.a.resutl}", "did you mean 'result'"),
        ("${tasks.a.state.x}", "leads into a state"),
        ("${tasks.a.result..x}", "empty name"),
        ("${tasks.a b.result}", "is no reference"),
        ("${tasks.a.result", "is no reference"),
        ("x${tasks.a.result}", "is no reference"),
    ],
)
def test_what_is_no_reference_is_refused_with_the_form_that_is_one(text: str, said: str) -> None:
    with pytest.raises(ReferenceSyntaxError, match=said):
        parse(text)


def test_references_are_found_wherever_they_stand() -> None:
    value = {"x": ["${tasks.a.result}", {"y": "at ${tasks.a.result.name} and ${tasks.b.state}"}], "n": 1}
    assert [(place, one.task, one.part) for place, one in find(value)] == [
        (("x", 0), "a", "result"),
        (("x", 1, "y"), "a", "result"),
        (("x", 1, "y"), "b", "state"),
    ]


def test_a_reference_that_does_not_end_is_refused_where_it_is_looked_for() -> None:
    with pytest.raises(ReferenceSyntaxError, match="does not end"):
        list(find(["and ${tasks.a.result"]))


def test_a_whole_text_keeps_the_type_and_a_part_of_one_becomes_text() -> None:
    value = {
        "number": "${tasks.a.result.steps.1.median}",
        "list": "${tasks.a.result.steps}",
        "text": "${tasks.a.result.name}: ${tasks.a.result.steps.0}, ${tasks.b.error.status}",
        "null": "${tasks.a.result.none}",
    }
    assert resolve(value, TASKS) == {
        "number": 2.0,
        "list": [{"median": 1.5}, {"median": 2.0}],
        "text": 'BTC: {"median":1.5}, 503',
        "null": None,
    }


def test_two_dollars_stand_for_the_sign_itself() -> None:
    assert list(find("$${tasks.a.result} costs $5")) == []
    assert resolve("$${tasks.a.result} costs $5", TASKS) == "${tasks.a.result} costs $5"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("${tasks.a.result.nmae}", "tasks.a.result has no 'nmae'; did you mean 'name'?"),
        ("${tasks.a.result.steps.2}", "list of 2"),
        ("${tasks.a.result.steps.-1}", "no place in it"),
        ("${tasks.a.result.name.x}", "is a text"),
        ("${tasks.a.result.none.x}", "is null"),
        ("${tasks.b.result}", "failed and has no result"),
        ("${tasks.a.error.detail}", "succeeded and has no error"),
        ("${tasks.c.result}", "has not ended"),
    ],
)
def test_what_is_not_there_is_said_with_how_far_the_path_led(text: str, said: str) -> None:
    with pytest.raises(UnresolvedError, match=said.replace("?", r"\?")):
        resolve([text], TASKS)


@pytest.mark.parametrize("written", ["${tasks.t.result}" * 50_000, ["${tasks.t.result}"] * 50_000])
def test_a_result_that_is_named_too_often_is_refused_before_it_fills_the_memory(written: object) -> None:
    with pytest.raises(UnresolvedError, match="refer to parts"):
        resolve(written, {"t": Ended("succeeded", ["x" * 1000] * 10)})


@given(values)
def test_a_value_arrives_as_it_was_given_by_its_reference(value: object) -> None:
    assert resolve({"x": "${tasks.t.result}"}, {"t": Ended("succeeded", value)}) == {"x": value}


@given(values, st.lists(names, min_size=1, max_size=4))
def test_a_path_leads_to_what_stands_at_it(value: object, path: list[str]) -> None:
    nested = value
    for name in reversed(path):
        nested = {name: nested}
    text = "${tasks.t.result." + ".".join(path) + "}"
    if "$${" in text:
        return
    assert resolve(text, {"t": Ended("succeeded", nested)}) == value


@given(values)
def test_a_value_without_references_stays_as_it_is(value: object) -> None:
    if "${" not in json.dumps(value, ensure_ascii=False):
        assert resolve(value, {}) == value


@given(st.text(st.sampled_from("${}.tasksreulx01-"), max_size=40))
def test_text_of_any_kind_is_read_or_refused_and_nothing_else(text: str) -> None:
    try:
        found = [one.task for _, one in find(text)]
    except ReferenceSyntaxError:
        return
    tasks = {name: Ended("succeeded", "r", {"x": 1}) for name in found}
    try:
        resolve(text, tasks)
    except UnresolvedError:
        assert found

import pytest
from pydantic import ValidationError

from brain.orchestration.conditions import Condition, NotComparableError, evaluate
from brain.orchestration.references import UnresolvedError
from tests.support.ended import Ended

TASKS = {
    "a": Ended("succeeded", {"decision": "accept", "p": 0.25, "n": 1, "yes": True, "list": ["x", 1], "nothing": None}),
    "b": Ended("failed", None, {"status": 503}),
}


def holds(document: dict[str, object]) -> bool:
    return evaluate(Condition.model_validate(document), TASKS)


def compare(name: str, op: str, value: object) -> dict[str, object]:
    return {"ref": f"${{tasks.a.result.{name}}}", "op": op, "value": value}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (compare("decision", "eq", "accept"), True),
        (compare("decision", "ne", "accept"), False),
        (compare("p", "lt", 0.25), False),
        (compare("p", "le", 0.25), True),
        (compare("p", "gt", 0), True),
        (compare("p", "ge", 1), False),
        (compare("decision", "lt", "b"), True),
        (compare("n", "eq", 1.0), True),
        (compare("yes", "eq", 1), False),
        (compare("yes", "eq", True), True),
        (compare("list", "eq", ["x", True]), False),
        (compare("list", "eq", ["x", 1]), True),
        (compare("decision", "in", ["review", "accept"]), True),
        (compare("n", "in", [True]), False),
        (compare("n", "in", "${tasks.a.result.list}"), True),
        (compare("p", "lt", "${tasks.a.result.n}"), True),
        ({"ref": "${tasks.a.result.nothing}", "op": "exists"}, False),
        ({"ref": "${tasks.a.result.p}", "op": "exists"}, True),
        ({"ref": "${tasks.b.result}", "op": "exists"}, False),
        ({"ref": "${tasks.b.state}", "op": "eq", "value": "failed"}, True),
        ({"ref": "${tasks.b.error.status}", "op": "eq", "value": 503}, True),
        ({"not": compare("n", "eq", 1)}, False),
        ({"all": [compare("n", "eq", 1), compare("n", "eq", 2)]}, False),
        ({"any": [compare("n", "eq", 2), compare("n", "eq", 1)]}, True),
        ({"any": [{"not": {"ref": "${tasks.b.result}", "op": "exists"}}, compare("gone", "eq", 1)]}, True),
    ],
)
def test_a_condition_holds_or_not(document: dict[str, object], expected: bool) -> None:
    assert holds(document) is expected


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({}, "one of `ref`"),
        ({"ref": "${tasks.a.state}", "op": "eq", "value": 1, "all": []}, "at least 1 item"),
        ({"ref": "${tasks.a.state}"}, "needs an `op`"),
        ({"ref": "${tasks.a.state}", "op": "eq"}, "needs a `value`"),
        ({"ref": "${tasks.a.state}", "op": "exists", "value": True}, "takes no `value`"),
        ({"ref": "${tasks.a.state}", "op": "in", "value": 3}, "needs a list"),
        ({"ref": "${tasks.a.state}", "op": "in", "value": "abc"}, "is no reference"),
        ({"ref": "a.state", "op": "eq", "value": 1}, "is no reference"),
        ({"ref": "${tasks.a.state}", "op": "eq", "value": ["${oops}"]}, "is no reference"),
        ({"all": [{"ref": "${tasks.a.state}", "op": "is", "value": 1}]}, "'eq'"),
        ({"not": None}, "must not be null"),
        ({"not": {"ref": "${tasks.a.state}", "op": "exists"}, "value": 1}, "stand beside `ref`"),
        ({"nott": {}}, "Extra inputs"),
    ],
)
def test_what_is_no_condition_is_refused(document: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as refused:
        Condition.model_validate(document)
    assert said in str(refused.value)


@pytest.mark.parametrize("depth", [17, 2000])
def test_conditions_nest_only_so_deep(depth: int) -> None:
    document: dict[str, object] = {"ref": "${tasks.a.state}", "op": "exists"}
    for _ in range(depth - 1):
        document = {"not": document}
    with pytest.raises(ValidationError):
        Condition.model_validate(document)


def test_sixteen_deep_is_still_read() -> None:
    document: dict[str, object] = {"ref": "${tasks.a.state}", "op": "exists"}
    for _ in range(15):
        document = {"not": document}
    assert holds(document) is False


def test_values_without_an_order_are_not_put_in_one() -> None:
    for value in ("1", True, None, [1]):
        with pytest.raises(NotComparableError, match="no order"):
            holds(compare("n", "lt", value))
    with pytest.raises(NotComparableError, match="no order"):
        holds(compare("yes", "lt", 2))
    with pytest.raises(NotComparableError, match="expected a list"):
        holds(compare("n", "in", "${tasks.a.result.decision}"))


def test_what_is_not_there_is_an_error_and_not_false() -> None:
    with pytest.raises(UnresolvedError, match="did you mean 'decision'"):
        holds(compare("decison", "eq", "accept"))


def test_a_condition_says_which_tasks_may_have_failed() -> None:
    condition = Condition.model_validate(
        {
            "all": [
                {"ref": "${tasks.b.state}", "op": "eq", "value": "${tasks.c.error.detail}"},
                {"not": compare("n", "eq", 1)},
            ]
        }
    )
    assert condition.looks_at_ends() == {"b", "c"}
    assert [one.task for one in condition.references()] == ["b", "c", "a"]


def test_a_condition_survives_the_store() -> None:
    condition = Condition.model_validate({"not": compare("n", "eq", None)})
    kept = condition.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert kept == {"not": compare("n", "eq", None)}
    assert Condition.model_validate(kept) == condition

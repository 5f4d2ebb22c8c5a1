import json
from http import HTTPStatus

import pytest

from runtime.problems import FieldError, Problem, json_pointer, nearest, not_found, render, to_response


def test_a_problem_is_rendered_with_everything_a_caller_is_told() -> None:
    problem = Problem(
        422,
        title="Invalid value",
        detail="prediction_horizon must be 1 to 24, received 25",
        type="/problems/invalid-value",
        errors=[FieldError("/prediction_horizon", "1 to 24, received 25")],
        headers={"Retry-After": "5"},
        extensions={"allowed": [1, 24], "status": 200},
    )
    wire = render(problem, "request-1")
    assert json.loads(wire.body) == {
        "type": "/problems/invalid-value",
        "title": "Invalid value",
        "status": 422,
        "detail": "prediction_horizon must be 1 to 24, received 25",
        "instance": "request-1",
        "errors": [{"pointer": "/prediction_horizon", "detail": "1 to 24, received 25"}],
        "allowed": [1, 24],
    }
    headers = dict(wire.headers)
    assert (wire.status, headers["content-type"], headers["retry-after"]) == (422, "application/problem+json", "5")
    assert headers["content-length"] == str(len(wire.body))


def test_half_a_surrogate_pair_in_a_problem_is_still_an_answer() -> None:
    wire = render(Problem(422, detail="received \ud800"))
    assert json.loads(wire.body)["detail"] == "received ?"


@pytest.mark.parametrize("status", [400, 404, 413, 503])
def test_the_title_is_the_statuss_phrase_unless_said_otherwise(status: int) -> None:
    assert json.loads(render(Problem(status)).body) == {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
    }


def test_a_problem_is_an_exception_that_can_be_chained_and_printed() -> None:
    with pytest.raises(Problem, match="no model") as caught:
        try:
            raise KeyError("x")
        except KeyError as error:
            raise Problem(503, detail="no model") from error
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_starlette_response_says_the_same() -> None:
    response = to_response(Problem(429, headers={"Retry-After": "2"}), "r1")
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
    assert response.headers["content-type"] == "application/problem+json"
    assert json.loads(bytes(response.body))["instance"] == "r1"


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [((), ""), (("symbol",), "/symbol"), (("instances", 0, "a/b", "c~d", ""), "/instances/0/a~1b/c~0d/")],
)
def test_pointers_are_escaped_as_the_standard_says(parts: tuple[str | int, ...], pointer: str) -> None:
    assert json_pointer(parts) == pointer


@pytest.mark.parametrize(("asked", "found"), [("BTX", "BTC"), ("btc", "BTC"), ("dogee", "DOGE"), ("zzzzz", None)])
def test_the_nearest_known_name_is_found_whatever_its_case(asked: str, found: str | None) -> None:
    assert nearest(asked, ["BTC", "ETH", "DOGE"]) == found


def test_an_unknown_name_is_answered_with_the_nearest_and_the_known_ones() -> None:
    document = not_found("symbol", "BTX", ["ETH", "BTC"]).document()
    assert (document["status"], document["nearest"], document["known"]) == (404, "BTC", ["BTC", "ETH"])
    assert document["detail"] == "there is no symbol 'BTX'; did you mean 'BTC'? Known: BTC, ETH."
    far = not_found("symbol", "z" * 500, ["ETH"]).document()
    assert "nearest" not in far
    assert len(str(far["detail"])) < 150

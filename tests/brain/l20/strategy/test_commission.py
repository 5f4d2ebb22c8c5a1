import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from brain.l20.strategy.commission import Commission
from brain.l20.strategy.library import load_library
from brain.l20.strategy.matching import Bm25Matcher
from brain.l20.strategy.order import Order
from brain.l20.strategy.request import StrategizeRequest
from runtime.problems import Problem

LIBRARY = load_library()
COMMISSION = Commission(LIBRARY, Bm25Matcher(LIBRARY), ("crypto_prediction",))
MONDAY = datetime(2027, 3, 1, 9, tzinfo=UTC)


def ordered(now: datetime = MONDAY, **body: Any) -> Order:
    asked = StrategizeRequest.model_validate({"objective": "Build a web app", **body})
    return asyncio.run(COMMISSION.order(asked, now))


def test_a_timeline_is_counted_in_hours_of_work_from_the_start() -> None:
    assert ordered(constraints={"timeline": "30 days"}).timeline_hours == 22 * 8
    always = {"hours_per_day": 24, "days_per_week": 7}
    assert ordered(constraints={"timeline": "1 week"}, calendar=always).timeline_hours == 168
    saturday = MONDAY + timedelta(days=5)
    found = ordered(saturday, constraints={"timeline": "1 week"})
    assert (found.starts_at, found.timeline_hours) == (MONDAY + timedelta(days=7), 40)


def test_a_budget_in_either_form_is_minor_units() -> None:
    assert ordered(constraints={"budget": 50000}).budget_minor == 5_000_000
    assert ordered(constraints={"budget": 0.29}).budget_minor == 29
    assert ordered(constraints={"budget": {"amount_minor": 29}}).budget_minor == 29
    assert ordered().budget_minor is None


def test_without_constraints_everything_is_the_playbooks() -> None:
    found = ordered()
    assert (found.capacities, found.timeline_hours, found.warnings) == ({}, None, ())
    assert found.playbooks[0].chosen_by == "bm25"


def test_people_can_be_given_as_resources() -> None:
    assert ordered(constraints={"resources": {"backend_engineer": 5}}).capacities == {"backend_engineer": 5}


def test_a_domain_stands_for_its_playbooks() -> None:
    assert [each.name for each in ordered(domains=["software"]).playbooks] == ["web_app"]


def test_an_order_comes_back_from_its_json() -> None:
    found = ordered(constraints={"timeline": "30 days"}, execute=True)
    assert Order.model_validate(found.model_dump(mode="json")) == found


BODIES = st.fixed_dictionaries(
    {"objective": st.text(min_size=3, max_size=60) | st.just("Launch a product with a campaign")},
    optional={
        "constraints": st.fixed_dictionaries(
            {},
            optional={
                "budget": st.floats()
                | st.integers()
                | st.dictionaries(st.sampled_from(["amount_minor", "x"]), st.integers()),
                "timeline": st.text(max_size=12) | st.from_regex(r"\A(P\d{1,5}[YMWD]|\d{1,6} (day|week|year)s)\Z"),
                "resources": st.dictionaries(st.sampled_from(["cpu", "gpu", "designer", "x"]), st.integers(-1, 10**7)),
            },
        ),
        "starts_at": st.datetimes().map(lambda each: each.isoformat() + "Z"),
        "calendar": st.fixed_dictionaries({"hours_per_day": st.integers(1, 24), "days_per_week": st.integers(1, 7)}),
        "playbooks": st.lists(st.sampled_from([*LIBRARY, "nothing"]), max_size=8),
        "quantile": st.floats(0, 1),
        "seed": st.integers(),
    },
)


@settings(deadline=None, max_examples=150)
@given(BODIES)
def test_whatever_is_asked_is_an_order_or_a_refusal_with_reasons(body: dict[str, Any]) -> None:
    try:
        found = asyncio.run(COMMISSION.order(StrategizeRequest.model_validate(body), MONDAY))
    except (ValidationError, Problem) as error:
        assert not isinstance(error, Problem) or (error.status == 422 and error.detail)
        return
    assert found.outline.tasks
    assert found.timeline_hours is None or found.timeline_hours >= 0


@pytest.mark.parametrize("names", [list(LIBRARY)[:8], ["platform_migration", "web_app", "product_launch"]])
def test_many_playbooks_become_one_outline(names: list[str]) -> None:
    found = ordered(playbooks=names)
    ids = [task.id for task in found.outline.tasks]
    assert len(set(ids)) == len(ids)

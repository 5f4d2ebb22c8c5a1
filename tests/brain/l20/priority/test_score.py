import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brain.l20.priority.order import CycleError, topological
from brain.l20.priority.score import Scored, score
from brain.l20.priority.settings import PrioritySettings
from brain.l20.priority.weights import FACTORS, Weights
from brain.l20.priority.work import Work

NOW = 1_000_000.0
DAY = 86_400.0


def work(size: int, **columns: Any) -> Work:
    nothing = [None] * size
    given: dict[str, Any] = {
        "classes": [1] * size,
        "deadlines": nothing,
        "values": nothing,
        "costs": nothing,
        "seconds": nothing,
        "created": nothing,
        "resources": [{}] * size,
        "after": [()] * size,
    }
    return Work(**{**given, **columns})


def ranked(made: Work, capacity: dict[str, float] | None = None, **weights: float) -> Scored:
    chosen = Weights(**{**dict.fromkeys(FACTORS, 0.0), **weights}) if weights else Weights()
    return score(made, chosen, PrioritySettings(), NOW, capacity)


@pytest.mark.parametrize(
    ("factor", "columns"),
    [
        ("priority", {"classes": [1, 3, 0]}),
        ("deadline", {"deadlines": [NOW + DAY, NOW - 1, None]}),
        ("value", {"values": [2.0, 9.0, None]}),
        ("cost", {"costs": [10.0, 0.0, 99.0]}),
        ("duration", {"seconds": [10.0, 1.0, 99.0]}),
        ("age", {"created": [NOW - DAY, NOW - 9 * DAY, NOW + DAY]}),
        ("unblocks", {"after": [(), (), (), (0,), (1,)], "seconds": [1.0, 1.0, 1.0, 60.0, 600.0]}),
        ("fit", {"resources": [{"cpu": 3.0}, {"cpu": 1.0, "gpu": 0.0}, {"cpu": 1.0, "gpu": 1.0}]}),
    ],
)
def test_each_factor_alone_puts_the_second_before_the_first_before_the_third(
    factor: str, columns: dict[str, Any]
) -> None:
    made = work(len(columns.get("after", "abc")), **columns)
    found = ranked(made, {"cpu": 4.0, "gpu": 0.0}, **{factor: 1})
    assert list(found.order)[:3] == [1, 0, 2]
    assert found.columns[factor][1] > found.columns[factor][0] > found.columns[factor][2]


def test_contributions_add_up_to_the_own_score() -> None:
    made = work(2, classes=[3, 0], values=[5.0, 1.0], seconds=[9.0, 1.0], deadlines=[NOW + 60, None])
    found = ranked(made, {"cpu": 1.0})
    for place in range(2):
        assert sum(found.contributions(place).values()) == pytest.approx(found.own[place])
    assert sum(found.shares.values()) == pytest.approx(1)


def test_what_an_urgent_task_depends_on_is_as_urgent_and_comes_before_it() -> None:
    made = work(4, classes=[0, 2, 3, 1], after=[(), (), (0,), ()])
    found = ranked(made, priority=1)
    assert list(found.order) == [0, 2, 1, 3]
    assert (found.scores[0], found.own[0], found.heirs[0]) == (1.0, 0.0, 2)


def test_a_deadline_presses_on_what_has_to_be_done_before() -> None:
    """C ends at NOW + 100 and takes 30, b takes 20: b starts by NOW + 50, and a, which takes 10, by NOW + 40."""
    made = work(3, deadlines=[NOW + 999, None, NOW + 100], seconds=[10.0, 20.0, 30.0], after=[(), (0,), (1,)])
    found = ranked(made, deadline=1)
    assert found.slacks == pytest.approx([40.0, 50.0, 70.0])
    assert list(found.tails) == [50.0, 30.0, 0.0]


def test_equal_tasks_keep_the_order_in_which_they_were_given() -> None:
    found = ranked(work(5, classes=[1, 2, 1, 2, 1]), priority=1)
    assert list(found.order) == [1, 3, 0, 2, 4]


def test_equal_tasks_change_places_only_where_one_depends_on_a_later_one() -> None:
    assert list(ranked(work(4, after=[(), (3,), (), ()]), priority=1).order) == [0, 2, 3, 1]


def test_without_capacity_the_fit_does_not_count() -> None:
    found = ranked(work(1, resources=[{"cpu": 1.0}]))
    assert found.shares["fit"] == 0
    assert sum(found.shares.values()) == pytest.approx(1)


@st.composite
def graphs(draw: st.DrawFn) -> Sequence[tuple[int, ...]]:
    """Dependencies without cycles, along an order that is not that of the places."""
    size = draw(st.integers(1, 12))
    order = draw(st.permutations(range(size)))
    after: list[tuple[int, ...]] = [()] * size
    for at, place in enumerate(order):
        after[place] = tuple(sorted(draw(st.sets(st.sampled_from(order[:at]))))) if at else ()
    return after


@settings(max_examples=150, deadline=None)
@given(graphs(), st.randoms(use_true_random=False))
def test_scores_fall_along_the_ranks_and_nothing_stands_before_what_it_depends_on(
    after: Sequence[tuple[int, ...]], chance: random.Random
) -> None:
    size = len(after)
    made = work(
        size,
        after=after,
        classes=[chance.randrange(4) for _ in range(size)],
        seconds=[chance.choice([None, 1.0, 50.0]) for _ in range(size)],
        deadlines=[chance.choice([None, NOW + chance.uniform(-9, 9)]) for _ in range(size)],
    )
    found = ranked(made)
    assert sorted(found.order) == list(range(size))
    ranks = {place: rank for rank, place in enumerate(found.order)}
    assert all(ranks[other] < ranks[place] for place in range(size) for other in after[place])
    along = [found.scores[place] for place in found.order]
    assert along == sorted(along, reverse=True)
    for place in range(size):
        assert found.scores[place] == found.own[found.heirs[place]] >= found.own[place]


def test_a_cycle_is_named_without_what_only_hangs_on_it() -> None:
    with pytest.raises(CycleError) as caught:
        topological([(), (0, 3), (1,), (2,), (3,)])
    cycle = caught.value.cycle
    assert sorted(cycle) == [1, 2, 3]
    after = {1: 3, 2: 1, 3: 2}
    assert all(after[place] == following for place, following in zip(cycle, [*cycle[1:], cycle[0]], strict=True))


def test_a_task_that_waits_for_itself_is_a_cycle() -> None:
    with pytest.raises(CycleError, match="0"):
        topological([(0,)])

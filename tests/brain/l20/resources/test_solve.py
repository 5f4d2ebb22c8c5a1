import itertools
import random
from dataclasses import replace

import pytest

from brain.l20.resources.check import AllocationError, check, violations
from brain.l20.resources.greedy import greedy
from brain.l20.resources.problem import RESOURCES, Problem, Service, collisions, used
from brain.l20.resources.solve import gains, solve, table, worth


def service(name: str, **changes: object) -> Service:
    usual = Service(name, 1.0, 30.0, 0.1, {"cpu": 1.0, "memory_gb": 0.5}, 0, 6, 0.5, 0.95, 1)
    return replace(usual, **changes)  # type: ignore[arg-type]


def problem(*services: Service, cpu: float = 6.0, gpu: float = 0.0, memory_gb: float = 64.0) -> Problem:
    return Problem(services, {"cpu": cpu, "gpu": gpu, "memory_gb": memory_gb})


def drawn(seed: int) -> Problem:
    chance = random.Random(seed)
    services = [
        Service(
            f"s{number}",
            chance.choice([0.5, 1.0, 3.0]),
            chance.uniform(0, 60),
            chance.uniform(0.02, 0.2),
            {
                "cpu": chance.choice([0.5, 1.0, 2.0]),
                "gpu": chance.choice([0, 0, 1]),
                "memory_gb": chance.uniform(0.1, 4),
            },
            chance.randrange(2),
            chance.randrange(3, 6),
            chance.choice([None, 0.3, 1.0]),
            0.95,
            chance.randrange(1, 4),
        )
        for number in range(4)
    ]
    return Problem(services, {"cpu": chance.uniform(5, 12), "gpu": chance.randrange(2, 4), "memory_gb": 24.0})


def best_by_trying_all(given: Problem) -> float:
    rows = table(given)
    ranges = [range(one.least, one.most + 1) for one in given.services]
    best = -1.0
    for numbers in itertools.product(*ranges):
        replicas = {one.name: number for one, number in zip(given.services, numbers, strict=True)}
        if all(used(given.services, replicas, name) <= given.capacity[name] for name in RESOURCES):
            best = max(best, worth(given, rows, replicas))
    return best


@pytest.mark.parametrize("seed", range(6))
def test_the_solver_finds_what_trying_everything_finds(seed: int) -> None:
    given = drawn(seed)
    rows = table(given)
    found = solve(given, rows, 10)
    assert found.status == "optimal" and found.replicas is not None
    assert found.value == pytest.approx(best_by_trying_all(given), rel=1e-6)
    assert found.gap == 0
    check(
        given,
        found.replicas,
        {one.name: rows[one.name][found.replicas[one.name] - one.least] for one in given.services},
    )


def test_the_weightier_service_gets_what_is_scarce() -> None:
    given = problem(service("light"), service("heavy", weight=5.0), cpu=5)
    found = solve(given, table(given), 10)
    assert found.replicas is not None
    assert found.replicas["heavy"] > found.replicas["light"]


def test_what_serves_nobody_is_not_occupied() -> None:
    given = problem(service("quiet", arrival_per_second=0.0, current=4), service("busy", arrival_per_second=1.0))
    found = solve(given, table(given), 10)
    assert found.replicas == {"quiet": 0, "busy": 1}


def test_one_more_unit_is_worth_what_solving_with_it_gives() -> None:
    given = problem(service("a", arrival_per_second=200.0, most=20), cpu=3)
    rows = table(given)
    found = solve(given, rows, 10)
    assert found.value is not None
    more = solve(replace(given, capacity={**given.capacity, "cpu": 4.0}), rows, 10)
    gained = gains(given, rows, found.value, 10)
    assert more.value is not None
    assert gained["cpu"] == pytest.approx(more.value - found.value) and gained["cpu"] > 1
    assert gained["gpu"] == gained["memory_gb"] == 0


def test_the_largest_request_has_a_good_allocation_within_its_time() -> None:
    chance = random.Random(1)
    services = [
        service(
            f"s{number}",
            weight=chance.uniform(0.5, 5),
            arrival_per_second=chance.uniform(500, 3000),
            service_seconds=chance.uniform(0.02, 0.1),
            needs={"cpu": chance.choice([0.5, 1.0, 2.0]), "memory_gb": chance.uniform(0.2, 4)},
            least=1,
            most=200,
        )
        for number in range(50)
    ]
    given = problem(*services, cpu=2000, memory_gb=3000)
    rows = table(given)
    found = solve(given, rows, 0.01)
    assert found.status == "feasible" and found.replicas is not None
    check(given, found.replicas, {name: rows[name][number - 1] for name, number in found.replicas.items()})
    assert found.gap is not None and 0 < found.gap < 0.7
    longer = solve(given, rows, 3)
    assert longer.value is not None and found.value is not None
    assert longer.value >= found.value


@pytest.mark.parametrize("seed", range(6))
def test_what_is_bought_step_by_step_fits_and_is_near_the_best(seed: int) -> None:
    given = drawn(seed)
    rows = table(given)
    found = greedy(given, rows)
    assert not [text for text in violations(given, found, dict.fromkeys(found, 0.0))]
    best = solve(given, rows, 10).value
    assert best is not None and worth(given, rows, found) >= 0.6 * best


def test_hardly_any_demand_is_no_fault() -> None:
    given = problem(service("a", arrival_per_second=1e-320, service_seconds=1e-9), service("b", service_seconds=1e-300))
    rows = table(given)
    found = solve(given, rows, 5)
    assert found.status == "optimal" and found.replicas is not None
    check(given, found.replicas, {name: rows[name][number] for name, number in found.replicas.items()})


def test_minimums_that_do_not_fit_are_named() -> None:
    given = problem(service("a", least=5), service("b", least=4), cpu=6)
    assert solve(given, table(given), 10).status == "infeasible"
    (text,) = collisions(given)
    assert "cpu" in text and "a 5 x 1" in text and "b 4 x 1" in text and "add 3" in text


def test_the_checker_finds_each_broken_rule() -> None:
    given = problem(service("a", most=3), cpu=2)
    right = {"a": table(given)["a"][2]}
    check(given, {"a": 2}, right)
    broken = [
        ({"a": 4}, {"a": 0.0}, "not from 0 to 3"),
        ({"a": 3}, {"a": 0.0}, "cpu: 3 are used"),
        ({"a": 2}, {"a": 31.0}, "arrive"),
        ({"a": 2}, {"a": 18.5}, "busy"),
        ({"a": 2}, {"a": right["a"] + 0.2}, "longer than 0.5 s"),
        ({"a": 0}, {"a": 1.0}, "busy"),
        ({"b": 1}, {"b": 1.0}, "the services are"),
    ]
    for replicas, served, words in broken:
        assert any(words in text for text in violations(given, replicas, served)), words
    with pytest.raises(AllocationError, match="cpu"):
        check(given, {"a": 3}, {"a": 0.0})

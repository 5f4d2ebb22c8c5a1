import heapq
import math
import random

import pytest

from brain.l20.resources.queueing import erlang_c, latency, served, slower_than


def simulated_times(replicas: int, arrival: float, service: float, requests: int, seed: int) -> list[float]:
    """Times in the system of requests one after another, each by the replica that is free first."""
    chance = random.Random(seed)
    free = [0.0] * replicas
    now, times = 0.0, []
    for _ in range(requests):
        now += chance.expovariate(arrival)
        end = max(now, heapq.heappop(free)) + chance.expovariate(1 / service)
        heapq.heappush(free, end)
        times.append(end - now)
    return times[requests // 10 :]


def test_erlang_c_is_that_of_the_tables() -> None:
    assert erlang_c(1, 0.7) == pytest.approx(0.7)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(10, 8.0) == pytest.approx(0.4092, abs=1e-4)
    assert erlang_c(3, 3.5) == 1.0


def test_one_replica_answers_in_an_exponential_time() -> None:
    assert slower_than(2.0, 1, 0.5, 1.0) == pytest.approx(math.exp(-1.0))
    assert latency(0.95, 1, 0.5, 1.0) == pytest.approx(2 * math.log(20))


@pytest.mark.parametrize(("replicas", "load"), [(2, 1.0), (3, 2.4), (8, 5.0)])
def test_quantiles_are_those_of_a_simulated_queue(replicas: int, load: float) -> None:
    times = sorted(simulated_times(replicas, load, 1.0, 150_000, seed=replicas))
    for quantile in (0.5, 0.95):
        found = latency(quantile, replicas, load, 1.0)
        assert found == pytest.approx(times[int(quantile * len(times))], rel=0.05)


def test_long_waits_keep_their_probability() -> None:
    assert slower_than(800.0, 1, 0.999, 1.0) == pytest.approx(math.exp(-0.8))


def test_a_line_that_only_grows_has_no_latency() -> None:
    assert latency(0.95, 2, 2.0, 1.0) is None
    assert slower_than(100.0, 2, 2.5, 1.0) == 1.0


def test_just_as_much_is_served_as_keeps_the_target() -> None:
    found = served(4, 100.0, 0.1, 0.5, 0.95, 0.99)
    assert 0 < found < 40
    assert slower_than(0.5, 4, found, 0.1) == pytest.approx(0.05, abs=1e-9)
    assert slower_than(0.5, 4, found * 1.01, 0.1) > 0.05


def test_a_target_that_service_alone_misses_serves_nothing() -> None:
    assert served(50, 10.0, 1.0, 2.9, 0.95, 0.9) == 0.0
    assert served(50, 10.0, 1.0, 3.1, 0.95, 0.9) == 10.0


def test_without_a_target_the_utilisation_limits() -> None:
    assert served(2, 100.0, 0.1, None, 0.95, 0.9) == pytest.approx(18.0)
    assert served(2, 5.0, 0.1, None, 0.95, 0.9) == 5.0
    assert served(0, 5.0, 0.1, None, 0.95, 0.9) == 0.0

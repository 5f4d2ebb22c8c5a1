"""What a service with some replicas can serve: the queue M/M/c.

Requests come as a Poisson stream, each replica serves one at a time for an exponential time, and whoever finds all busy
waits in one line. Erlang C and the distribution of the time in the system are those of Gross, Shortle, Thompson and
Harris (2008), "Fundamentals of Queueing Theory", 4th edition, section 2.3; Erlang B by its recursion (Jagerman, 1974).
"""

import math

STEPS = 50
"""Of bisection: the answer is exact to 2**-50 of the range."""


def erlang_c(replicas: int, load: float) -> float:
    """The probability that a request has to wait.

    Args:
        replicas: At least 1.
        load: Arrivals a second times seconds of service; 1 where it reaches the replicas.
    """
    if load >= replicas:
        return 1.0
    blocked = 1.0
    for busy in range(1, replicas + 1):
        blocked = load * blocked / (busy + load * blocked)
    return blocked / (1 - load / replicas * (1 - blocked))


def slower_than(seconds: float, replicas: int, arrival_per_second: float, service_seconds: float) -> float:
    """The probability that a request takes longer than this, waiting included; 1 where the line only grows."""
    load = arrival_per_second * service_seconds
    if load >= replicas:
        return 1.0
    waits = erlang_c(replicas, load)
    time = seconds / service_seconds
    free = replicas - 1 - load
    if abs(free * time) < 1:  # -expm1(-x * t) / x goes to t as x goes to 0
        held = math.exp(-time) * (time if abs(free * time) < 1e-12 else -math.expm1(-free * time) / free)
    else:
        held = (math.exp(-time) - math.exp(-(1 + free) * time)) / free
    return min(1.0, math.exp(-time) + waits * held)


def latency(quantile: float, replicas: int, arrival_per_second: float, service_seconds: float) -> float | None:
    """Seconds within which this share of requests is answered; None where the line only grows."""
    if arrival_per_second * service_seconds >= replicas:
        return None
    low, high = 0.0, service_seconds
    while slower_than(high, replicas, arrival_per_second, service_seconds) > 1 - quantile:
        low, high = high, high * 2
    for _ in range(STEPS):
        middle = (low + high) / 2
        if slower_than(middle, replicas, arrival_per_second, service_seconds) > 1 - quantile:
            low = middle
        else:
            high = middle
    return high


def served(
    replicas: int,
    arrival_per_second: float,
    service_seconds: float,
    target_seconds: float | None,
    quantile: float,
    most_utilisation: float,
) -> float:
    """The most requests a second, up to what arrives, that keep the target and the utilisation.

    Args:
        replicas: 0 serve nothing.
        arrival_per_second: What there is to serve.
        service_seconds: Mean time of one request on a replica.
        target_seconds: Of the quantile of the time in the system; None: there is none.
        quantile: Of the target.
        most_utilisation: Below 1: the line must not only grow.
    """
    most = min(arrival_per_second, most_utilisation * replicas / service_seconds)
    if target_seconds is None or most <= 0 or _keeps(most, replicas, service_seconds, target_seconds, quantile):
        return max(0.0, most)
    if not _keeps(0.0, replicas, service_seconds, target_seconds, quantile):
        return 0.0
    low, high = 0.0, most
    for _ in range(STEPS):
        middle = (low + high) / 2
        if _keeps(middle, replicas, service_seconds, target_seconds, quantile):
            low = middle
        else:
            high = middle
    return low


def _keeps(arrival: float, replicas: int, service_seconds: float, target_seconds: float, quantile: float) -> bool:
    return slower_than(target_seconds, replicas, arrival, service_seconds) <= 1 - quantile

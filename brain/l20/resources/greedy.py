"""An allocation at once: buy, again and again, the replicas that bring most for what they occupy.

A step may buy several replicas of a service, as far as brings most a replica: under a latency target the first ones may
bring nothing. What it costs is the largest share of a resource that is taken (the dominant share of Ghodsi et al.,
2011).
"""

from collections.abc import Mapping, Sequence

from brain.l20.resources.problem import RESOURCES, Problem, Replicas, Service


def greedy(problem: Problem, rows: Mapping[str, Sequence[float]]) -> Replicas:
    """Replicas that fit; the least replicas must.

    Args:
        problem: What there is and what is wanted.
        rows: What least, least + 1, … replicas of a service serve.
    """
    chosen = {one.name: one.least for one in problem.services}
    left = {
        name: problem.capacity.get(name, 0.0)
        - sum(one.needs.get(name, 0.0) * chosen[one.name] for one in problem.services)
        for name in RESOURCES
    }
    open_ = list(problem.services)
    while open_:
        steps = {one.name: _step(one, chosen[one.name], rows[one.name], left) for one in open_}
        open_ = [one for one in open_ if steps[one.name][1]]
        if not open_:
            break
        best = max(open_, key=lambda one: _rate(one, steps[one.name], problem))
        more = steps[best.name][1]
        chosen[best.name] += more
        for name in RESOURCES:
            left[name] -= best.needs.get(name, 0.0) * more
    return chosen


def _step(one: Service, now: int, row: Sequence[float], left: Mapping[str, float]) -> tuple[float, int]:
    """What the best further replicas bring, each, and how many they are; none where nothing fits or helps."""
    room = [int(left[name] / need + 1e-9) for name, need in one.needs.items() if need > 0]
    most = min([one.most - now, *room])
    here = row[now - one.least]
    steps = ((row[now - one.least + more] - here) / more for more in range(1, most + 1))
    return max(((gain, more) for more, gain in enumerate(steps, 1) if gain > 0), default=(0.0, 0))


def _rate(one: Service, step: tuple[float, int], problem: Problem) -> float:
    shares = [need / problem.capacity[name] for name, need in one.needs.items() if need > 0]
    return one.weight * step[0] / max([*shares, 1e-9])

"""Modes for the heuristic: first choices by rule, and repair of a choice that costs more than the budget."""

from random import Random

from brain.l20.planning.compact import Choice, Compact


def first_modes(project: Compact) -> list[list[int]]:
    """Choices to begin with: shortest, least work, cheapest, each within the budget; those that differ.

    Empty where not even the cheapest are within it.
    """
    found: list[list[int]] = []
    for key in (_by_duration, _by_work, _by_cost):
        chosen = [choices.index(min(choices, key=key)) for choices in project.choices]
        if repair(project, chosen) and chosen not in found:
            found.append(chosen)
    return found


def repair(project: Compact, modes: list[int], random: Random | None = None) -> bool:
    """Change modes in place to cheaper ones until the budget is kept, those that save most per time unit first.

    Returns:
        Whether it is kept; if not, every task is in its cheapest mode.
    """
    budget = project.problem.budget
    if budget is None:
        return True
    over = project.cost(modes) - budget
    while over > 0:
        best: tuple[float, int, int] | None = None
        for task, choices in enumerate(project.choices):
            for place, choice in enumerate(choices):
                worth = _worth(choices[modes[task]], choice) * (random.random() if random else 1.0)
                if worth > 0 and (best is None or worth > best[0]):
                    best = (worth, task, place)
        if best is None:
            return False
        _, task, place = best
        over -= project.choices[task][modes[task]].cost - project.choices[task][place].cost
        modes[task] = place
    return True


def mutate(project: Compact, modes: list[int], random: Random, changes: int) -> None:
    """Change the mode of up to `changes` random tasks in place."""
    for _ in range(min(changes, len(project.several))):
        task = random.choice(project.several)
        modes[task] = random.randrange(len(project.choices[task]))


def _by_duration(choice: Choice) -> tuple[float, ...]:
    return choice.duration, choice.work, choice.cost


def _by_work(choice: Choice) -> tuple[float, ...]:
    return choice.work, choice.duration, choice.cost


def _by_cost(choice: Choice) -> tuple[float, ...]:
    return choice.cost, choice.duration, choice.work


def _worth(now: Choice, then: Choice) -> float:
    """Money saved per time unit lost."""
    return max(0, now.cost - then.cost) / (1 + max(0, then.duration - now.duration))

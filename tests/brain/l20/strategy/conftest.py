"""A small library of two playbooks that belong together, and orders made of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from brain.l20.strategy.order import Order
from brain.l20.strategy.outline import compose
from brain.l20.strategy.playbook import Playbook

MONDAY = datetime(2027, 3, 1, 9, tzinfo=UTC)

BREAD = {
    "name": "bread",
    "title": "Bread",
    "domain": "bakery",
    "summary": "Bake a hundred loaves.",
    "words": ["bread", "loaf", "dough", "oven"],
    "means": {
        "baker": {"capacity": 1, "rate_minor": 3000},
        "oven": {"capacity": 2, "rate_minor": 100, "unit": "devices"},
    },
    "tasks": [
        {
            "id": "dough",
            "title": "Dough",
            "modes": [
                {"name": "by_hand", "hours": {"low": 6, "likely": 8, "high": 12}, "needs": {"baker": 1}},
                {
                    "name": "bought",
                    "hours": {"low": 2, "likely": 2, "high": 2},
                    "needs": {"baker": 1},
                    "cost_minor": 90_000,
                },
            ],
        },
        {
            "id": "bake",
            "title": "Bake",
            "after": ["dough"],
            "capability": "crypto_prediction",
            "params": {"symbol": "BTC"},
            "modes": [{"name": "oven", "hours": {"low": 4, "likely": 4, "high": 4}, "needs": {"oven": 2}}],
        },
        {
            "id": "sell",
            "title": "Sell",
            "after": ["bake"],
            "replaced_by": "market.stall",
            "modes": [{"name": "door", "hours": {"low": 8, "likely": 8, "high": 8}, "needs": {"baker": 1}}],
        },
        {
            "id": "count",
            "title": "Count",
            "after": ["sell"],
            "modes": [{"name": "evening", "hours": {"low": 1, "likely": 1, "high": 1}, "needs": {"baker": 1}}],
        },
    ],
    "risks": [{"title": "It burns", "likelihood": 2, "impact": 4, "trigger": "Smoke", "response": "Bake again"}],
}
MARKET = {
    "name": "market",
    "title": "Market stall",
    "domain": "trade",
    "summary": "Sell at the market.",
    "words": ["market", "stall", "stand", "sell"],
    "means": {"seller": {"capacity": 1, "rate_minor": 2000}},
    "tasks": [
        {
            "id": "permit",
            "title": "Permit",
            "modes": [{"name": "office", "hours": {"low": 2, "likely": 3, "high": 10}, "needs": {"seller": 1}}],
        },
        {
            "id": "stall",
            "title": "Stall",
            "after": ["permit"],
            "links": ["bread.bake"],
            "modes": [{"name": "day", "hours": {"low": 8, "likely": 8, "high": 8}, "needs": {"seller": 1}}],
        },
    ],
}


@pytest.fixture(scope="session")
def bread() -> Playbook:
    return Playbook.model_validate(BREAD)


@pytest.fixture(scope="session")
def market() -> Playbook:
    return Playbook.model_validate(MARKET)


@pytest.fixture(scope="session")
def order(bread: Playbook, market: Playbook) -> Callable[..., Order]:
    """A function that makes an order of both playbooks, or of those that are named."""

    def make(*playbooks: Playbook, **changed: Any) -> Order:
        usual: dict[str, Any] = {
            "objective": "Bake and sell",
            "playbooks": (),
            "outline": compose(playbooks or (bread, market)),
            "starts_at": MONDAY,
            "hours_per_day": 8,
            "days_per_week": 5,
            "solver_seconds": 1.0,
        }
        return Order(**usual | changed)

    return make

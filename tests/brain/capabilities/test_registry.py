from types import SimpleNamespace
from typing import Any, cast

import pytest

from brain.capabilities import Capability, Estimate, Registry, UnknownTypeError, build_registry
from brain.capabilities.parts import Parts


@pytest.fixture
def registry() -> Registry:
    """The platform's own registry; its handlers have nobody to ask."""
    parts: Any = SimpleNamespace(settings=None, predictors={}, fraud=None)
    return build_registry(cast(Parts, parts))


def make(name: str, domain: str = "d", *after: str) -> Capability:
    return Capability(name, name, domain, None, lambda _parameters: Estimate(1.0), after=after)


def test_a_type_is_found_and_an_unknown_one_comes_with_the_nearest() -> None:
    registry = Registry([make("crypto_prediction"), make("swarm")])
    assert registry.get("swarm").type == "swarm"
    with pytest.raises(UnknownTypeError, match="did you mean 'crypto_prediction'") as unknown:
        registry.get("crypto_predict")
    assert unknown.value.nearest == "crypto_prediction"


def test_domains_list_their_types() -> None:
    registry = Registry([make("b", "one"), make("a", "one"), make("c", "two")])
    assert {name: [one.type for one in found] for name, found in registry.domains().items()} == {
        "one": ["a", "b"],
        "two": ["c"],
    }


def test_a_type_stands_once() -> None:
    with pytest.raises(ValueError, match=r"twice: \['a'\]"):
        Registry([make("a"), make("a")])


def test_types_do_not_come_after_themselves_or_after_nobody() -> None:
    with pytest.raises(ValueError, match="nobody knows"):
        Registry([make("a", "d", "b")])
    with pytest.raises(ValueError, match="one another"):
        Registry([make("a", "d", "b"), make("b", "d", "a")])


def test_estimates_do_not_trust_what_references_stand_for(registry: Registry) -> None:
    crypto, fraud = registry.get("crypto_prediction"), registry.get("fraud_analysis")
    assert crypto.estimate({"symbol": "BTC", "history_bars": "${tasks.a.result.bars}"}).seconds == 0.05
    assert crypto.estimate({"symbol": "BTC", "history_bars": 100}).seconds == pytest.approx(0.11)
    assert (fraud.estimate({}).seconds, fraud.estimate({}).cost_minor) == (0.05, 0)


def test_what_the_platform_will_serve_is_known_and_a_campaign_comes_after_its_pictures(registry: Registry) -> None:
    assert [one.type for one in registry.served()] == ["crypto_prediction", "fraud_analysis"]
    assert {one.type for one in registry.known() if not one.served} == {
        "image_generation",
        "video_generation",
        "swarm",
        "product_content",
        "marketing",
        "web_app_builder",
        "advanced_media",
        "crypto_sentiment",
    }
    assert {"image_generation", "video_generation"} <= set(registry.get("marketing").after)

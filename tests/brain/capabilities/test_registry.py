import pytest

from brain.capabilities import Capability, Estimate, Registry, UnknownTypeError


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

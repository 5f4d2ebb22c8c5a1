import pytest

from runtime.api_keys import generate_key, hash_key, verify


def test_a_key_is_recognisable_random_and_verified_by_its_hash_alone() -> None:
    plain, digest = generate_key()
    assert plain.startswith("aio_")
    assert len(plain) >= 40
    assert plain not in digest
    assert verify(plain, digest)
    assert verify(plain, digest.upper())
    assert generate_key()[0] != plain


@pytest.mark.parametrize("wrong", ["", "aio_", "aio_x", "\u00fc"])
def test_anything_else_is_not_the_key(wrong: str) -> None:
    plain, digest = generate_key()
    for candidate in (wrong, plain + wrong if wrong else plain[:-1], plain.swapcase()):
        assert not verify(candidate, digest)


def test_a_very_long_key_is_refused_without_being_hashed() -> None:
    long = "x" * 10_000
    assert not verify(long, hash_key(long))


@pytest.mark.parametrize("prefix", ["", "Caps", "with_underscore", "1st", "x" * 17])
def test_a_prefix_is_short_and_plain(prefix: str) -> None:
    with pytest.raises(ValueError, match="a key prefix is"):
        generate_key(prefix)
    assert generate_key("other")[0].startswith("other_")

"""Rate limits in words."""


def readable_limit(value: str) -> str:
    """The limit as it was given.

    Raises:
        ValueError: It is none.
    """
    from limits import parse

    try:
        parse(value)
    except ValueError as error:
        raise ValueError(f"{value!r} is no rate limit; write one such as '600/minute'") from error
    return value

"""How old data is, in words."""


def in_words(seconds: float) -> str:
    """`1.5 h`, and from two days on `41 days`."""
    hours = seconds / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:,.0f} days"

"""How long a plan may take, in the words of people or of ISO 8601."""

import re
from datetime import timedelta

EXAMPLES = "'30 days', '6 weeks', '2 months', or in ISO 8601 'P30D', 'P6W', 'PT36H'"
DAYS_A_MONTH, DAYS_A_YEAR = 30, 365
LONGEST = timedelta(days=5 * DAYS_A_YEAR)

_UNITS = {
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
    "month": timedelta(days=DAYS_A_MONTH),
    "quarter": timedelta(days=3 * DAYS_A_MONTH),
    "year": timedelta(days=DAYS_A_YEAR),
}
_NUMBERS = dict(
    a=1, an=1, one=1, two=2, three=3, four=4, five=5, six=6, seven=7, eight=8, nine=9, ten=10, eleven=11, twelve=12
)
_WORDS = re.compile(r"(\d{1,6}(?:\.\d{1,3})?|[a-z]{1,8})[ -]?(hour|day|week|month|quarter|year)s?", re.ASCII)
_ISO = re.compile(
    r"P(?=.)(?:(?P<year>\d{1,4})Y)?(?:(?P<month>\d{1,4})M)?(?:(?P<week>\d{1,4})W)?(?:(?P<day>\d{1,5})D)?"
    r"(?:T(?=.)(?:(?P<hour>\d{1,6})H)?)?",
    re.ASCII | re.IGNORECASE,
)


def read_timeline(text: str) -> timedelta:
    """Time by the calendar, weekends and nights included; a month counts 30 days, a year 365.

    Raises:
        ValueError: It is no duration, not more than nothing, or longer than five years; says what can be written.
    """
    found = _read(text.strip())
    if found is None:
        raise ValueError(f"expected a duration such as {EXAMPLES}")
    if not timedelta(0) < found <= LONGEST:
        raise ValueError(f"expected more than nothing and at most {LONGEST.days} days")
    return found


def _read(text: str) -> timedelta | None:
    iso = _ISO.fullmatch(text)
    if iso:
        return sum((int(n) * _UNITS[unit] for unit, n in iso.groupdict().items() if n), timedelta(0))
    parts = re.split(r"\s*(?:,|\band\b)\s*", text.lower().removeprefix("within ").removeprefix("in "))
    total = timedelta(0)
    for part in parts:
        match = _WORDS.fullmatch(part.strip())
        number = _number(match[1]) if match else None
        if match is None or number is None:
            return None
        total += number * _UNITS[match[2]]
    return total


def _number(text: str) -> float | None:
    return float(text) if text[0].isdigit() else _NUMBERS.get(text)

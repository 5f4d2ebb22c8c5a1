"""Five cron fields, UTC: minute, hour, day of month, month, day of week (0 is Sunday)."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of month", 1, 31), ("month", 1, 12), ("day of week", 0, 6))
_LONGEST_SEARCH_DAYS = 366 * 8


class CronError(ValueError):
    """The text is not five cron fields, or no moment ever matches them."""


@dataclass(frozen=True)
class Cron:
    """A schedule; a day matches when day of month and day of week do, either of them when both are restricted."""

    text: str

    def __post_init__(self) -> None:
        fields = self.text.split()
        if len(fields) != len(_FIELDS):
            raise CronError(f"a schedule has five fields (minute hour day month weekday, UTC), got {self.text!r}")
        for field, (name, low, high) in zip(fields, _FIELDS, strict=True):
            _values(field, name, low, high)

    def next_after(self, moment: datetime) -> datetime:
        """The first matching minute later than `moment`.

        Raises:
            CronError: There is none, as for 30 February.
        """
        minutes, hours, days, months, weekdays = self._sets()
        either = "*" not in (self.text.split()[2][0], self.text.split()[4][0])
        start = moment.astimezone(UTC).replace(second=0, microsecond=0) + timedelta(minutes=1)
        for offset in range(_LONGEST_SEARCH_DAYS):
            day = start.replace(hour=0, minute=0) + timedelta(days=offset)
            fits = (day.day in days, day.isoweekday() % 7 in weekdays)
            if day.month not in months or not (any(fits) if either else all(fits)):
                continue
            for hour in sorted(hours):
                for minute in sorted(minutes):
                    found = day.replace(hour=hour, minute=minute)
                    if found >= start:
                        return found
        raise CronError(f"no day ever matches {self.text!r}")

    def _sets(self) -> tuple[frozenset[int], ...]:
        fields = zip(self.text.split(), _FIELDS, strict=True)
        return tuple(_values(field, name, low, high) for field, (name, low, high) in fields)


def _values(field: str, name: str, low: int, high: int) -> frozenset[int]:
    found: set[int] = set()
    for part in field.split(","):
        span, _, step_text = part.partition("/")
        first_text, dash, last_text = span.partition("-")
        try:
            step = int(step_text) if "/" in part else 1
            first = low if span == "*" else int(first_text)
            last = high if span == "*" or ("/" in part and not dash) else int(last_text) if dash else first
        except ValueError as error:
            raise CronError(f"{name} in a schedule is a number, a-b, */n or a list of these, got {part!r}") from error
        if not low <= first <= last <= high or step < 1:
            raise CronError(f"{name} in a schedule is {low} to {high}, got {part!r}")
        found.update(range(first, last + 1, step))
    return frozenset(found)

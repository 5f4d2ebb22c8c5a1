"""Hours of work and moments: the first N days of a week, the same hours on each of them, in UTC."""

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cached_property

USUAL_START_HOUR = 9
_HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Calendar:
    """When work is done; 24 and 7 is always. No holidays are known.

    Attributes:
        hours_per_day: 1 to 24; a day begins at nine, or earlier where it would not end by midnight.
        days_per_week: 1 to 7, from Monday on.
    """

    hours_per_day: int = 8
    days_per_week: int = 5

    def __post_init__(self) -> None:
        if not (1 <= self.hours_per_day <= 24 and 1 <= self.days_per_week <= 7):
            raise ValueError(f"expected 1 to 24 hours and 1 to 7 days, got {self.hours_per_day}, {self.days_per_week}")

    def next_hour(self, moment: datetime) -> datetime:
        """The first full hour from `moment` on at which work may begin."""
        found = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        found += _HOUR if found < moment else timedelta(0)
        while not self._works(found):
            found += _HOUR
        return found

    def hours_between(self, start: datetime, end: datetime) -> int:
        """Full hours of work from `start`, a full hour, to `end`."""
        if end <= start:
            return 0
        days = (end.date() - start.date()).days
        weeks = max(0, days // 7 - 1)
        count = weeks * self.hours_per_day * self.days_per_week
        moment = start + timedelta(weeks=weeks)
        while moment + _HOUR <= end:
            count += self._works(moment)
            moment += _HOUR
        return count

    def moment(self, start: datetime, hours: float, *, ending: bool = False) -> datetime:
        """When so many hours of work have passed since `start`; what ends does so at the end of a day, not the next."""
        whole, rest = divmod(hours, 1)
        per_week = self.hours_per_day * self.days_per_week
        weeks, left = divmod(int(whole), per_week)
        if ending and weeks and not left and not rest:
            weeks, left = weeks - 1, per_week
        moment = start + timedelta(weeks=weeks)
        while left:
            left -= self._works(moment)
            moment += _HOUR
        if rest or not ending:
            moment = self.next_hour(moment)
        return moment + timedelta(hours=rest)

    def _works(self, moment: datetime) -> bool:
        return moment.weekday() < self.days_per_week and self._opens <= moment.time() < self._closes

    @cached_property
    def _opens(self) -> time:
        return time(min(USUAL_START_HOUR, 24 - self.hours_per_day))

    @cached_property
    def _closes(self) -> time:
        hour = self._opens.hour + self.hours_per_day
        return time.max if hour == 24 else time(hour)

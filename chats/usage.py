"""What the assistant used, day by day: read from the quotas, and drawn as bars."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count

from chats.models import Assistant, Quota
from project.accounts.models import Organization

DAYS = 30
BAR, STEP = 7, 10  # widths in the chart's own units
HEIGHT = 100
_UNITS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


@dataclass(frozen=True, slots=True)
class Day:
    """Tokens and answers of an organization on one of its days."""

    day: date
    tokens_in: int = 0
    tokens_out: int = 0
    answers: int = 0

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True)
class Usage:
    """`days` end with today, none is missing. `limit` is of a day, None where there is none.

    `reserved` tokens are set aside for answers that are being made.
    """

    days: tuple[Day, ...]
    reserved: int
    limit: int | None
    each: int | None

    @property
    def today(self) -> Day:
        return self.days[-1]

    @property
    def left(self) -> int | None:
        """Tokens that may still be set aside today."""
        if self.limit is None:
            return None
        return max(0, self.limit - self.today.tokens - self.reserved)

    @property
    def used(self) -> tuple[Day, ...]:
        """The days with an answer, newest first."""
        return tuple(day for day in reversed(self.days) if day.answers or day.tokens)

    @property
    def total(self) -> Day:
        """All days as one, dated with the first."""
        return Day(
            self.days[0].day,
            sum(day.tokens_in for day in self.days),
            sum(day.tokens_out for day in self.days),
            sum(day.answers for day in self.days),
        )

    @property
    def chart(self) -> Chart:
        return Chart(self.days)


@dataclass(frozen=True, slots=True)
class Bar:
    """One day's bars, in the units of the chart; y grows downwards. `out` stands on `in`."""

    day: Day
    x: int
    in_y: float
    in_height: float
    out_y: float
    out_height: float
    answers_y: float
    answers_height: float


class Chart:
    """Stacked bars of tokens and bars of answers. Their scales end at a round number."""

    height = HEIGHT
    bar = BAR

    def __init__(self, days: tuple[Day, ...]) -> None:
        self._days = days
        self.width = STEP * len(days)
        self._most = round_up(max(day.tokens for day in days))
        self._most_answers = round_up(max(day.answers for day in days))
        self.marks = tuple(map(short, (self._most, self._most / 2, 0)))
        self.answer_marks = (short(self._most_answers), "0")
        self.labels = days[0].day, days[len(days) // 2].day, days[-1].day

    @property
    def bars(self) -> Iterator[Bar]:
        """One for each day, from the left."""
        for place, day in enumerate(self._days):
            low = HEIGHT * day.tokens_in / self._most
            high = HEIGHT * day.tokens_out / self._most
            answers = HEIGHT * day.answers / self._most_answers
            yield Bar(
                day,
                x=place * STEP + (STEP - BAR) // 2,
                in_y=round(HEIGHT - low, 2),
                in_height=round(low, 2),
                out_y=round(HEIGHT - low - high, 2),
                out_height=round(high, 2),
                answers_y=round(HEIGHT - answers, 2),
                answers_height=round(answers, 2),
            )


def round_up(number: int) -> int:
    """The next of 2, 4, 6, 8, 10, 20, 40, …: its half is a whole number, too."""
    for power in count():
        for digit in (2, 4, 6, 8, 10):
            if digit * 10**power >= number:
                return int(digit * 10**power)
    raise AssertionError("there is always a larger one")


def short(number: float) -> str:
    """For the edge of a chart: 1.5k, 20M."""
    for size, unit in _UNITS:
        if number >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"


def usage_of(organizations: Iterable[Organization], days: int = DAYS) -> dict[uuid.UUID, Usage]:
    """The last days of each, up to its own today. Two queries, however many they are."""
    today = {one.pk: Quota.today(one) for one in organizations}
    since = min(today.values(), default=date.max) - timedelta(days=days - 1)
    rows: dict[tuple[uuid.UUID, date], Quota] = {
        (row.organization_id, row.day): row
        for row in Quota.objects.filter(organization__in=today, user=None, day__gte=since)
    }
    limits = {
        assistant.organization_id: assistant
        for assistant in Assistant.objects.filter(organization__in=today)
    }
    found = {}
    for pk, last in today.items():
        row, assistant = rows.get((pk, last)), limits.get(pk)
        found[pk] = Usage(
            tuple(_day(rows, pk, last - timedelta(days=ago)) for ago in reversed(range(days))),
            reserved=row.reserved if row else 0,
            limit=assistant.daily_tokens if assistant else None,
            each=assistant.daily_tokens_each if assistant else None,
        )
    return found


def _day(rows: dict[tuple[uuid.UUID, date], Quota], pk: uuid.UUID, day: date) -> Day:
    row = rows.get((pk, day))
    return Day(day, row.tokens_in, row.tokens_out, row.answers) if row else Day(day)

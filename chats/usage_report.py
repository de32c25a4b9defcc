"""The assistant's usage by day: read from the quotas, drawn as bars."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import count

from django.db.models import Sum

from chats.models import Assistant, Message, Quota
from chats.models.storage import MB
from project.accounts.models import Organization

DAYS = 30
BAR, STEP = 7, 10  # widths in chart units
HEIGHT = 100
_UNITS = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))


@dataclass(frozen=True, slots=True)
class Day:
    """Tokens and answers of an organization on one day."""

    day: date
    tokens_in: int = 0
    tokens_out: int = 0
    answers: int = 0

    @property
    def tokens(self) -> int:
        return self.tokens_in + self.tokens_out


@dataclass(frozen=True, slots=True)
class Usage:
    """Usage of an organization. `days` are consecutive and end with today.

    `limit` and `each` are tokens a day, together and per user; None means no limit. `reserved`
    tokens belong to running answers. `stored` is the text of all chats in bytes.
    """

    days: tuple[Day, ...]
    reserved: int
    limit: int | None
    each: int | None
    stored: int
    storage: int | None  # the limit of `stored`
    storage_each: int | None

    @property
    def today(self) -> Day:
        return self.days[-1]

    @property
    def left(self) -> int | None:
        """Tokens left today; None without a limit."""
        if self.limit is None:
            return None
        return max(0, self.limit - self.today.tokens - self.reserved)

    @property
    def used(self) -> tuple[Day, ...]:
        """The days with an answer, newest first."""
        return tuple(day for day in reversed(self.days) if day.answers or day.tokens)

    @property
    def total(self) -> Day:
        """The sum of all days, with the date of the first."""
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
    """One day's bars in chart units; y grows downwards. `out` is stacked on `in`."""

    day: Day
    x: int
    in_y: float
    in_height: float
    out_y: float
    out_height: float
    answers_y: float
    answers_height: float


class Chart:
    """Stacked bars of tokens, and bars of answers. Both scales end at a round number."""

    height = HEIGHT
    bar = BAR

    def __init__(self, days: tuple[Day, ...]) -> None:
        self._days = days
        self.width = STEP * len(days)
        self._max_tokens = round_up(max(day.tokens for day in days))
        self._max_answers = round_up(max(day.answers for day in days))
        self.marks = tuple(map(short, (self._max_tokens, self._max_tokens / 2, 0)))
        self.answer_marks = (short(self._max_answers), "0")
        self.labels = days[0].day, days[len(days) // 2].day, days[-1].day

    @property
    def bars(self) -> Iterator[Bar]:
        """Yield one bar for each day, from the left."""
        for index, day in enumerate(self._days):
            low = HEIGHT * day.tokens_in / self._max_tokens
            high = HEIGHT * day.tokens_out / self._max_tokens
            answers = HEIGHT * day.answers / self._max_answers
            yield Bar(
                day,
                x=index * STEP + (STEP - BAR) // 2,
                in_y=round(HEIGHT - low, 2),
                in_height=round(low, 2),
                out_y=round(HEIGHT - low - high, 2),
                out_height=round(high, 2),
                answers_y=round(HEIGHT - answers, 2),
                answers_height=round(answers, 2),
            )


def round_up(number: int) -> int:
    """Return the next of 2, 4, 6, 8, 10, 20, 40, …, whose halves are whole numbers."""
    for power in count():
        for digit in (2, 4, 6, 8, 10):
            if digit * 10**power >= number:
                return int(digit * 10**power)
    raise AssertionError("there is always a larger one")


def short(number: float) -> str:
    """Return a label for an axis: 1.5k, 20M."""
    for size, unit in _UNITS:
        if number >= size:
            return f"{number / size:g}{unit}"
    return f"{number:g}"


def usage_of(organizations: Iterable[Organization], days: int = DAYS) -> dict[uuid.UUID, Usage]:
    """Return the usage of each organization up to its current date, with three queries."""
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
    messages = Message.objects.filter(chat__organization__in=today).order_by()
    stored = dict(messages.values_list("chat__organization").annotate(Sum("size")))
    found = {}
    for pk, last in today.items():
        row, assistant = rows.get((pk, last)), limits.get(pk) or Assistant()
        found[pk] = Usage(
            tuple(_day(rows, pk, last - timedelta(days=ago)) for ago in reversed(range(days))),
            reserved=row.reserved if row else 0,
            limit=assistant.daily_tokens,
            each=assistant.daily_tokens_each,
            stored=stored.get(pk, 0),
            storage=_megabytes(assistant.storage_mb),
            storage_each=_megabytes(assistant.storage_mb_each),
        )
    return found


def _megabytes(count: int | None) -> int | None:
    return None if count is None else count * MB


def _day(rows: dict[tuple[uuid.UUID, date], Quota], pk: uuid.UUID, day: date) -> Day:
    row = rows.get((pk, day))
    return Day(day, row.tokens_in, row.tokens_out, row.answers) if row else Day(day)

"""The assistant's usage by day, read from the quotas."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Sum

from chats.models import Assistant, Message, Quota
from chats.models.storage import MB
from project.accounts.models import Organization

DAYS = 30


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
    def most(self) -> int:
        """The tokens of the day with the most."""
        return max(day.tokens for day in self.days)


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

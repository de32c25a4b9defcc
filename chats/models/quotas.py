"""Daily quotas of tokens, and estimates of how many tokens a text has."""

from __future__ import annotations

import uuid
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.db.models import F
from django.db.models.functions import Greatest
from django.utils import timezone

from project.accounts.models import Organization, User

PER_TURN = 8  # tokens that a chat template adds to a message


def max_tokens_of(text: str) -> int:
    """Return an upper bound for any text and tokenizer: a token has at least one byte."""
    return len(text.encode()) + PER_TURN


def estimate_tokens(text: str) -> int:
    """Return an estimate, for providers that do not count: four bytes a token."""
    return (len(text.encode()) + 3) // 4


class QuotaExceeded(Exception):
    """A daily limit is reached. `retry_after`: seconds until the next day begins."""

    def __init__(self, sentence: str, retry_after: int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.retry_after = retry_after


class QuotaQuerySet(models.QuerySet["Quota"]):
    def for_day(self, organization: Organization, user: User, day: date) -> QuotaQuerySet:
        """The rows of the user and of the whole organization; created if missing."""
        for owner in (None, user):
            self.get_or_create(organization=organization, user=owner, day=day)
        return self.filter(organization=organization, day=day).filter(
            models.Q(user=user) | models.Q(user=None)
        )


class Quota(models.Model):
    """Tokens used in a day, by one user or (without a user) by the whole organization.

    Days begin at midnight in the organization's time zone.
    """

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, related_name="+"
    )
    day = models.DateField()
    reserved = models.PositiveBigIntegerField(default=0)
    tokens_in = models.PositiveBigIntegerField(default=0)
    tokens_out = models.PositiveBigIntegerField(default=0)
    answers = models.PositiveIntegerField(default=0)
    # Of the whole organization; see `storage.py`. None: nothing was asked yet on this day.
    stored_bytes = models.PositiveBigIntegerField(null=True)

    objects = QuotaQuerySet.as_manager()

    class Meta:
        ordering = ("-day",)
        constraints = (
            models.UniqueConstraint(
                fields=("organization", "user", "day"),
                condition=models.Q(user__isnull=False),
                name="one_quota_each",
            ),
            models.UniqueConstraint(
                fields=("organization", "day"),
                condition=models.Q(user=None),
                name="one_quota_together",
            ),
        )

    def __str__(self) -> str:
        return f"{self.organization}, {self.user or 'all'}, {self.day}"

    @staticmethod
    def today(organization: Organization) -> date:
        """Return the current date in the organization's time zone."""
        return datetime.now(ZoneInfo(organization.time_zone)).date()

    @classmethod
    def reserve(
        cls, organization: Organization, user: User, tokens: int,
        *, together: int | None, each: int | None,
    ) -> date:  # fmt: skip
        """Reserve tokens of today's quota; return the day. Call it inside a transaction.

        Raises `QuotaExceeded`; the caller must then roll back the transaction. Each limit is
        checked and claimed in one UPDATE, so concurrent requests cannot exceed it.
        """
        day = cls.today(organization)
        rows = cls.objects.for_day(organization, user, day)
        spent = F("reserved") + F("tokens_in") + F("tokens_out") + tokens
        for row, limit, reason in (
            (rows.filter(user=None), together, "Today’s tokens of the organization are used up."),
            (rows.filter(user=user), each, "Your tokens for today are used up."),
        ):
            claim = row if limit is None else row.alias(spent=spent).filter(spent__lte=limit)
            if not claim.update(reserved=F("reserved") + tokens):
                raise QuotaExceeded(
                    f"{reason} There are new ones after midnight.",
                    _seconds_left(day, organization),
                )
        return day

    @classmethod
    def settle(
        cls, organization_id: uuid.UUID, user_id: uuid.UUID, day: date,
        *, reserved: int, tokens_in: int, tokens_out: int, stored: int = 0,
    ) -> None:  # fmt: skip
        """Replace the reservation by the tokens that were used; count the bytes of the answer."""
        rows = cls.objects.filter(organization=organization_id, day=day)
        for row in (rows.filter(user=None), rows.filter(user=user_id)):  # in `reserve`'s order
            row.update(
                reserved=Greatest(F("reserved") - reserved, 0),
                tokens_in=F("tokens_in") + tokens_in,
                tokens_out=F("tokens_out") + tokens_out,
                answers=F("answers") + 1,
                stored_bytes=F("stored_bytes") + stored,  # stays None if it is
            )


def _seconds_left(day: date, organization: Organization) -> int:
    """Return the seconds until `day` ends in the organization's time zone."""
    zone = ZoneInfo(organization.time_zone)
    midnight = datetime.combine(day + timedelta(days=1), time(), zone)
    return max(1, int((midnight - timezone.now()).total_seconds()) + 1)

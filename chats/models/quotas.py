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

PER_TURN = 8  # of a message's frame


def tokens_at_most(text: str) -> int:
    """More than the tokens of a text in any living language: they have two bytes and more each."""
    return len(text.encode()) // 2 + PER_TURN


def tokens_about(text: str) -> int:
    """An estimate, for providers that do not count: four bytes a token."""
    return (len(text.encode()) + 3) // 4


class QuotaExceeded(Exception):
    """`sentence` says whose tokens are used up; `retry_after` are seconds to the next day."""

    def __init__(self, sentence: str, retry_after: int) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.retry_after = retry_after


class QuotaQuerySet(models.QuerySet["Quota"]):
    def of(self, organization: Organization, user: User, day: date) -> QuotaQuerySet:
        """The person's row, and the one of all together, made where they are missing."""
        for whose in (None, user):
            self.get_or_create(organization=organization, user=whose, day=day)
        return self.filter(organization=organization, day=day).filter(
            models.Q(user=user) | models.Q(user=None)
        )


class Quota(models.Model):
    """Tokens of one day of an organization: of one person, or (no user) of all together.

    Days begin at midnight in the organization's zone.
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
        return datetime.now(ZoneInfo(organization.time_zone)).date()

    @classmethod
    def reserve(
        cls, organization: Organization, user: User, tokens: int,
        *, together: int | None, each: int | None,
    ) -> date:  # fmt: skip
        """Set `tokens` aside from today's; the day. Inside a transaction.

        Raises `QuotaExceeded`, and then nothing is set aside once the transaction is rolled back.
        Each claim is one UPDATE, so any number at once cannot exceed a limit.
        """
        day = cls.today(organization)
        rows = cls.objects.of(organization, user, day)
        spent = F("reserved") + F("tokens_in") + F("tokens_out") + tokens
        for row, limit, whose in (
            (rows.filter(user=None), together, "Today’s tokens of the organization are used up."),
            (rows.filter(user=user), each, "Your tokens for today are used up."),
        ):
            claim = row if limit is None else row.alias(spent=spent).filter(spent__lte=limit)
            if not claim.update(reserved=F("reserved") + tokens):
                raise QuotaExceeded(
                    f"{whose} There are new ones after midnight.", _rest(day, organization)
                )
        return day

    @classmethod
    def settle(
        cls, organization_id: uuid.UUID, user_id: uuid.UUID, day: date,
        *, reserved: int, tokens_in: int, tokens_out: int,
    ) -> None:  # fmt: skip
        """Give the rest of what was set aside back, and count what was used."""
        rows = cls.objects.filter(organization=organization_id, day=day)
        for row in (rows.filter(user=None), rows.filter(user=user_id)):  # in `reserve`'s order
            row.update(
                reserved=Greatest(F("reserved") - reserved, 0),
                tokens_in=F("tokens_in") + tokens_in,
                tokens_out=F("tokens_out") + tokens_out,
                answers=F("answers") + 1,
            )


def _rest(day: date, organization: Organization) -> int:
    """Seconds until the next day begins there."""
    zone = ZoneInfo(organization.time_zone)
    midnight = datetime.combine(day + timedelta(days=1), time(), zone)
    return max(1, int((midnight - timezone.now()).total_seconds()) + 1)

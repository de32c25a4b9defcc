"""What is kept no longer: old and deleted chats, and the logs of answers that have ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from chats.models import Assistant, Chat, GenerationEvent
from chats.models.chats import UNDO, ChatQuerySet

BATCH = 100  # chats in a transaction
LOGS = timedelta(days=1)  # an answer's words are in its message; the log is for who comes back


@dataclass(frozen=True, slots=True)
class Removed:
    chats: int
    logs: int


def prune() -> Removed:
    """Erase what is due; each organization's days count from a chat's last prompt."""
    now = timezone.now()
    chats = _erase(Chat.objects.filter(deleted_at__lt=now - UNDO))
    for assistant in Assistant.objects.exclude(retention_days=None):
        old = now - timedelta(days=assistant.retention_days or 0)
        due = Chat.objects.filter(organization=assistant.organization_id, touched_at__lt=old)
        chats += _erase(due.exclude(generations__status="running"))
    logs = GenerationEvent.objects.filter(generation__finished_at__lt=now - LOGS).delete()[0]
    return Removed(chats, logs)


def _erase(due: ChatQuerySet) -> int:
    """A few at a time: answers are stored meanwhile, which SQLite does one after the other."""
    count = 0
    while some := list(due.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        count += Chat.objects.filter(pk__in=some).erase()
    return count

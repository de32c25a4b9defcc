"""What is kept no longer: old and deleted chats, and the logs of answers that have ended."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from chats.models import Assistant, Chat, GenerationEvent
from chats.models.chats import UNDO, ChatQuerySet
from chats.models.generations import erase

BATCH = 100  # chats in a transaction
LOGS = timedelta(days=1)  # an answer's words are in its message; the log is for who comes back


def prune_chats() -> int:
    """Erase chats that are due; how many. Each organization's days count from the last prompt."""
    now = timezone.now()
    chats = _erase(Chat.objects.filter(deleted_at__lt=now - UNDO))
    for assistant in Assistant.objects.exclude(retention_days=None):
        old = now - timedelta(days=assistant.retention_days or 0)
        due = Chat.objects.filter(organization=assistant.organization_id, touched_at__lt=old)
        chats += _erase(due.exclude(generations__status="running"))
    return chats


def prune_logs() -> int:
    """Remove the logs of answers that ended long ago; how many rows."""
    ended = GenerationEvent.objects.filter(generation__finished_at__lt=timezone.now() - LOGS)
    return ended.delete()[0]


def _erase(due: ChatQuerySet) -> int:
    """A few at a time: answers are stored meanwhile, which SQLite does one after the other."""
    count = 0
    while some := list(due.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        count += erase(Chat.objects.filter(pk__in=some))
    return count

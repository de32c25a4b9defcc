"""Pruning: old and deleted chats, and the logs of finished generations."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from chats.models import Assistant, Chat, GenerationEvent
from chats.models.chats import UNDO, ChatQuerySet
from chats.models.generations import erase

BATCH = 100  # chats per transaction
LOGS = timedelta(days=1)  # the text is in the message; the log serves clients that reconnect


def prune_chats() -> int:
    """Erase expired and deleted chats; return how many. Days count from the last prompt."""
    now = timezone.now()
    chats = _erase(Chat.objects.filter(deleted_at__lt=now - UNDO))
    for assistant in Assistant.objects.exclude(retention_days=None):
        old = now - timedelta(days=assistant.retention_days or 0)
        due = Chat.objects.filter(organization=assistant.organization_id, touched_at__lt=old)
        chats += _erase(due.exclude(generations__status="running"))
    return chats


def prune_logs() -> int:
    """Delete the logs of generations that ended more than `LOGS` ago; return the row count."""
    ended = GenerationEvent.objects.filter(generation__finished_at__lt=timezone.now() - LOGS)
    return ended.delete()[0]


def _erase(due: ChatQuerySet) -> int:
    """Erase in batches: SQLite allows one writer, and running answers must be stored meanwhile."""
    count = 0
    while some := list(due.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        count += erase(Chat.objects.filter(pk__in=some))
    return count

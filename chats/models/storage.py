"""How much text the chats of a person and of an organization hold, and the limits on it.

Prompts and answers count, in every branch, archived and deleted chats included until they are
erased. An answer counts when it ends, so answers that are running can exceed a limit.
"""

from __future__ import annotations

from datetime import date

from django.db.models import Sum
from django.template.defaultfilters import filesizeformat

from chats.models.assistants import Assistant
from chats.models.chats import Chat
from chats.models.generations import erase
from chats.models.messages import Message, Status
from chats.models.quotas import Quota
from project.accounts.models import Organization, User

MB = 1024 * 1024


def stored_bytes(organization: Organization, user: User | None = None) -> int:
    """Return the bytes of UTF-8 text in the chats of one user there, or in all chats."""
    messages = Message.objects.filter(chat__organization=organization)
    if user is not None:
        messages = messages.filter(chat__owner=user)
    return messages.aggregate(whole=Sum("size"))["whole"] or 0


def lack_of_room(assistant: Assistant, chat: Chat, user: User, added: int, day: date) -> str | None:
    """Return why a prompt has no room, or None. It is stored already, with `added` bytes at most.

    Call it after `Quota.reserve`, which returned `day`, in the same transaction: that locks the
    organization's quota, so no two prompts take the same room. Deleted chats of the user are erased
    if they are in the way. If it returns a reason, the caller must roll back the transaction, which
    keeps them.
    """
    reason = _lack_of_room(assistant, chat, user, added, day)
    if reason and _erase_deleted(chat.organization, user):
        reason = _lack_of_room(assistant, chat, user, added, day)
    return reason


def _lack_of_room(
    assistant: Assistant, chat: Chat, user: User, added: int, day: date
) -> str | None:
    organization = chat.organization
    each, together = assistant.storage_mb_each, assistant.storage_mb
    mine = stored_bytes(organization, user)
    if each is not None and mine > each * MB:
        return (
            f"Your chats hold {filesizeformat(mine)} of text with this prompt, and may hold "
            f"{each} MB. Delete chats to make room{_largest(organization, user)}."
        )
    if together is not None and not _has_room(organization, added, together * MB, day):
        return (
            f"The chats of {organization} may hold {together} MB of text together, and are full. "
            f"Yours hold {filesizeformat(mine)}. Delete chats{_largest(organization, user)}, or "
            "ask an administrator for more room."
        )
    return None


def _has_room(organization: Organization, added: int, limit: int, day: date) -> bool:
    """Add bytes to what the organization's quota of `day` counts; False beyond `limit`.

    The count is what was measured at the first prompt of a day, and all that was added since.
    What was deleted since is found out by measuring again, only when the limit seems reached:
    the sum over 100,000 messages takes 60 to 90 ms.
    """
    quota = Quota.objects.get(organization=organization, user=None, day=day)
    stored = None if quota.stored_bytes is None else quota.stored_bytes + added
    if stored is None or stored > limit:
        stored = stored_bytes(organization)
    Quota.objects.filter(pk=quota.pk).update(stored_bytes=stored)
    return stored <= limit


def _largest(organization: Organization, user: User) -> str:
    chats = Chat.objects.filter(organization=organization, owner=user, deleted_at=None)
    sizes = chats.annotate(bytes=Sum("messages__size")).order_by("-bytes")
    for title, size in sizes.values_list("title", "bytes")[:1]:
        return f", such as “{title or 'New chat'}” with {filesizeformat(size or 0)}"
    return ""


def _erase_deleted(organization: Organization, user: User) -> int:
    """Erase the user's deleted chats; return how many.

    Skips those that are locked or have a running answer: waiting for them could be a deadlock,
    because this transaction has locked a quota.
    """
    deleted = Chat.objects.filter(organization=organization, owner=user, deleted_at__isnull=False)
    idle = deleted.exclude(generations__status=Status.RUNNING).order_by("pk")
    ids = list(idle.select_for_update(skip_locked=True).values_list("pk", flat=True))
    return erase(Chat.objects.filter(pk__in=ids)) if ids else 0

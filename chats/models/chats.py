"""Chats: ownership, search, branches, and deletion."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from chats.models.messages import Message
from project.accounts.credentials import Actor
from project.accounts.models import Organization
from project.search import contains, time_limit, words_of

MAX_TITLE = 60
MAX_FOUND = 1000  # chats of a search
UNDO = timedelta(minutes=5)  # a deleted chat can be restored for this long


class ChatQuerySet(models.QuerySet["Chat"]):
    def known_to(self, actor: Actor) -> ChatQuerySet:
        """Chats that the actor owns, in organizations that its credential reaches.

        Using them also needs the scope `chat` in their organization; see `visible_to`.
        """
        if actor.user is None:
            return self.none()
        return self.filter(owner=actor.user, organization__in=list(actor.roles), deleted_at=None)

    def visible_to(self, actor: Actor) -> ChatQuerySet:
        """Chats of `known_to` that the credential may open."""
        return self.known_to(actor).filter(organization__in=actor.organization_ids("chat"))

    def deleted_by(self, actor: Actor) -> ChatQuerySet:
        """The actor's deleted chats that can still be restored."""
        return self.filter(
            owner=actor.user,
            organization__in=actor.organization_ids("chat"),
            deleted_at__gt=timezone.now() - UNDO,
        )

    def matching(self, words: str) -> ChatQuerySet:
        """Chats whose title or messages contain every word; words are plain text, not patterns.

        Searches at once, and finds the `MAX_FOUND` newest. Raises `SearchTimeout`.
        """
        found = self
        for word in words_of(words):
            messages = Message.objects.filter(contains("content", word), chat=models.OuterRef("pk"))
            found = found.filter(contains("title", word) | models.Exists(messages))
        if found is self:
            return self
        with time_limit():
            newest = found.order_by("-touched_at").values_list("pk", flat=True)
            return self.filter(pk__in=list(newest[:MAX_FOUND]))

    def in_order(self) -> ChatQuerySet:
        """Pinned chats first, then by the last prompt, newest first."""
        return self.order_by(models.F("pinned_at").desc(nulls_last=True), "-touched_at", "pk")


class Chat(models.Model):
    """A conversation of one user in one organization. No other user can open it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="chats")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="chats"
    )
    title = models.CharField(max_length=MAX_TITLE, blank=True)
    leaf = models.ForeignKey(  # the last message of the selected branch
        "chats.Message", on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    pinned_at = models.DateTimeField(null=True, blank=True, editable=False)
    archived_at = models.DateTimeField(null=True, blank=True, editable=False)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    touched_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = ChatQuerySet.as_manager()

    class Meta:
        ordering = ("-touched_at",)
        indexes = (models.Index(fields=("owner", "-touched_at"), name="chats_by_owner"),)

    def __str__(self) -> str:
        return self.title or "New chat"

    @property
    def is_pinned(self) -> bool:
        return self.pinned_at is not None

    @property
    def is_archived(self) -> bool:
        return self.archived_at is not None

    def branch(self) -> list[Message]:
        """Return the selected branch, oldest first, with `siblings` and `generation` loaded.

        One query, however many branches there are.
        """
        everything = list(self.messages.select_related("generation").order_by("created_at", "pk"))
        by_id = {message.pk: message for message in everything}
        alternatives: dict[tuple[object, str], list[Message]] = {}
        for message in everything:
            alternatives.setdefault((message.parent_id, message.role), []).append(message)
        path: list[Message] = []
        at = by_id.get(self.leaf_id) if self.leaf_id else None
        while at is not None:
            at.siblings = alternatives[at.parent_id, at.role]
            path.append(at)
            at = by_id.get(at.parent_id) if at.parent_id else None
        return path[::-1]

    def select_branch(self, message: Message) -> None:
        """Select the branch through a message, down to its newest leaf."""
        self.leaf = self._newest_leaf(message)
        self.save(update_fields=["leaf"])

    def rename(self, title: str) -> None:
        """Set the title. With an empty one the next prompt names the chat."""
        self.title = " ".join(title.split())
        self.save(update_fields=["title"])

    def pin(self, wanted: bool) -> None:
        self.pinned_at = timezone.now() if wanted else None
        self.save(update_fields=["pinned_at"])

    def archive(self, wanted: bool) -> None:
        self.archived_at = timezone.now() if wanted else None
        self.save(update_fields=["archived_at"])

    def soft_delete(self) -> None:
        """Mark it as deleted; it can be restored for `UNDO`."""
        self.deleted_at = timezone.now()
        self.save(update_fields=["deleted_at"])

    def restore(self) -> None:
        self.deleted_at = None
        self.save(update_fields=["deleted_at"])

    def _newest_leaf(self, message: Message) -> Message:
        links = self.messages.order_by("created_at", "pk").values_list("parent_id", "pk")
        replies, end = dict(links), message.pk  # the newest of several replies wins
        while end in replies:
            end = replies[end]
        found: Message = self.messages.get(pk=end)
        return found

    def title_from(self, prompt: str) -> str:
        """Return a title for a first prompt: its beginning, cut between words."""
        words = " ".join(prompt.split())
        if len(words) <= MAX_TITLE:
            return words
        short = words[: MAX_TITLE - 1]
        return (short.rpartition(" ")[0] or short).rstrip(",.;:–-") + "…"

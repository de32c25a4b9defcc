"""Chats: whose they are, how they are found, and how they go."""

from __future__ import annotations

import uuid
from datetime import timedelta

from django.conf import settings
from django.db import models
from django.utils import timezone

from chats.models.messages import Message
from project.accounts.access import Actor
from project.accounts.models import Organization

TITLE_MOST = 60
UNDO = timedelta(minutes=5)  # a deleted chat can be brought back for so long


class ChatQuerySet(models.QuerySet["Chat"]):
    def known_to(self, actor: Actor) -> ChatQuerySet:
        """One's own, in organizations that the credential reaches: for all others there is none.

        What may be done with them is asked of the scope `chat` in their organization.
        """
        if actor.user is None:
            return self.none()
        return self.filter(owner=actor.user, organization__in=list(actor.roles), deleted_at=None)

    def visible_to(self, actor: Actor) -> ChatQuerySet:
        """Those of `known_to` that the credential may open."""
        return self.known_to(actor).filter(organization__in=actor.organization_ids("chat"))

    def deleted_by(self, actor: Actor) -> ChatQuerySet:
        """One's own that can still be brought back."""
        return self.filter(
            owner=actor.user,
            organization__in=actor.organization_ids("chat"),
            deleted_at__gt=timezone.now() - UNDO,
        )

    def matching(self, words: str) -> ChatQuerySet:
        """Those whose title or whose messages hold each of the words; as text, never a pattern."""
        found = self
        for word in words[:200].replace("\0", " ").split()[:8]:
            said = Message.objects.filter(chat=models.OuterRef("pk"), content__icontains=word)
            found = found.filter(models.Q(title__icontains=word) | models.Exists(said))
        return found

    def in_order(self) -> ChatQuerySet:
        """Pinned ones first, then by the last word said."""
        return self.order_by(models.F("pinned_at").desc(nulls_last=True), "-touched_at", "pk")


class Chat(models.Model):
    """A conversation of one person in one organization. Nobody else sees it on any page."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="chats")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="chats"
    )
    title = models.CharField(max_length=TITLE_MOST, blank=True)
    titled_by_hand = models.BooleanField(default=False, editable=False)
    leaf = models.ForeignKey(  # the last message of the branch in front
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

    def branch(self) -> list[Message]:
        """The messages in front, oldest first; each knows its `siblings` and its generation.

        One query, whatever is branched off.
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

    def put_in_front(self, message: Message) -> None:
        """Show the branch through a message, down to its newest end."""
        self.leaf = self._end_of(message)
        self.save(update_fields=["leaf"])

    def rename(self, title: str) -> None:
        """Another title; an empty one makes the next prompt name the chat."""
        self.title, self.titled_by_hand = " ".join(title.split()), bool(title.strip())
        self.save(update_fields=["title", "titled_by_hand"])

    def pin(self, wanted: bool) -> None:
        self.pinned_at = timezone.now() if wanted else None
        self.save(update_fields=["pinned_at"])

    def archive(self, wanted: bool) -> None:
        self.archived_at = timezone.now() if wanted else None
        self.save(update_fields=["archived_at"])

    def set_aside(self) -> None:
        """Delete it, in a way that can be undone for a while."""
        self.deleted_at = timezone.now()
        self.save(update_fields=["deleted_at"])

    def bring_back(self) -> None:
        self.deleted_at = None
        self.save(update_fields=["deleted_at"])

    def _end_of(self, message: Message) -> Message:
        links = self.messages.order_by("created_at", "pk").values_list("parent_id", "pk")
        replies, end = dict(links), message.pk  # of several the newest
        while end in replies:
            end = replies[end]
        found: Message = self.messages.get(pk=end)
        return found

    def name_after(self, prompt: str) -> str:
        """The title for a first prompt: its beginning, cut between words."""
        words = " ".join(prompt.split())
        if len(words) <= TITLE_MOST:
            return words
        short = words[: TITLE_MOST - 1]
        return (short.rpartition(" ")[0] or short).rstrip(",.;:–-") + "…"

"""What was said. Messages form a tree: a prompt edited or an answer asked anew is a sibling."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from django.db import models

if TYPE_CHECKING:
    from chats.models.generations import Generation

PROMPT_MOST = 32_000  # characters


class Role(models.TextChoices):
    USER = "user", "Person"
    ASSISTANT = "assistant", "Assistant"


class Status(models.TextChoices):
    """How an answer stands. All but the first are final."""

    RUNNING = "running", "Running"
    COMPLETE = "complete", "Complete"
    STOPPED = "stopped", "Stopped"
    FAILED = "failed", "Failed"
    INTERRUPTED = "interrupted", "Interrupted"


class Message(models.Model):
    """A prompt, or an answer with what it cost. `content` of a running answer is in its log."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    chat = models.ForeignKey("chats.Chat", on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="replies")
    role = models.CharField(max_length=10, choices=Role.choices)
    content = models.TextField(blank=True)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.COMPLETE)
    error_code = models.CharField(max_length=40, blank=True)
    error_message = models.CharField(max_length=500, blank=True)
    retryable = models.BooleanField(default=False)
    model = models.CharField(max_length=200, blank=True)
    tokens_in = models.PositiveIntegerField(null=True, blank=True)
    tokens_out = models.PositiveIntegerField(null=True, blank=True)
    tokens_estimated = models.BooleanField(default=False)  # the provider did not count them
    first_token_ms = models.PositiveIntegerField(null=True, blank=True)
    duration_ms = models.PositiveIntegerField(null=True, blank=True)
    cut_off = models.BooleanField(default=False)  # it met the limit of tokens, not its end
    rating = models.SmallIntegerField(null=True, blank=True)  # 1, -1
    rating_reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    generation: Generation
    siblings: list[Message]  # set by `Chat.branch`

    class Meta:
        ordering = ("created_at", "pk")
        indexes = (models.Index(fields=("chat", "created_at"), name="messages_in_order"),)

    def __str__(self) -> str:
        return f"{self.get_role_display()}, {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_running(self) -> bool:
        return self.status == Status.RUNNING

    @property
    def can_continue(self) -> bool:
        """Whether the answer ended before its end."""
        ended = self.status in (Status.STOPPED, Status.INTERRUPTED, Status.FAILED) or self.cut_off
        return self.role == Role.ASSISTANT and ended and bool(self.content)

    def text(self) -> str:
        """The words so far: of a running answer as far as they are stored."""
        return self.generation.text() if self.is_running else self.content

    def rate(self, rating: int | None, reason: str = "") -> None:
        """Up (1), down (-1) or neither, and why."""
        self.rating, self.rating_reason = rating, reason.strip() if rating else ""
        self.save(update_fields=["rating", "rating_reason"])

    @property
    def place(self) -> tuple[int, int]:
        """Which of how many siblings it is, counted from 1. Needs `siblings`."""
        ids = [sibling.pk for sibling in self.siblings]
        return ids.index(self.pk) + 1, len(ids)

"""Messages. They form a tree: an edited prompt or a regenerated answer is a sibling."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from chats.models.generations import Generation

MAX_PROMPT = 32_000  # characters


class ByteLength(models.Func):
    """The length of a text in bytes of UTF-8."""

    function = "OCTET_LENGTH"
    output_field = models.PositiveIntegerField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """SQLite has OCTET_LENGTH only from 3.43 on."""
        template = "LENGTH(CAST(%(expressions)s AS BLOB))"
        return self.as_sql(compiler, connection, template=template, **context)


class Role(models.TextChoices):
    USER = "user", "Person"
    ASSISTANT = "assistant", "Assistant"


class Status(models.TextChoices):
    """State of an answer. All but RUNNING are final."""

    RUNNING = "running", "Running"
    COMPLETE = "complete", "Complete"
    STOPPED = "stopped", "Stopped"
    FAILED = "failed", "Failed"
    INTERRUPTED = "interrupted", "Interrupted"


class Message(models.Model):
    """A prompt, or an answer with its cost. The text of a running answer is in its log."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    chat = models.ForeignKey("chats.Chat", on_delete=models.CASCADE, related_name="messages")
    parent = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="replies")
    role = models.CharField(max_length=10, choices=Role.choices)
    content = models.TextField(blank=True)
    size = models.GeneratedField(
        expression=ByteLength("content"), output_field=models.PositiveIntegerField(),
        db_persist=True,
    )  # fmt: skip
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
    cut_off = models.BooleanField(default=False)  # it reached the token limit
    rating = models.SmallIntegerField(null=True, blank=True)  # 1, -1
    rating_reason = models.CharField(max_length=500, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    generation: Generation
    siblings: list[Message]  # set by `Chat.branch`

    class Meta:
        ordering = ("created_at", "pk")
        indexes = (
            models.Index(fields=("chat", "created_at"), name="messages_in_order"),
            models.Index(fields=("chat", "size"), name="messages_by_size"),
        )

    def __str__(self) -> str:
        return f"{self.get_role_display()}, {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_running(self) -> bool:
        return self.status == Status.RUNNING

    @property
    def can_continue(self) -> bool:
        """Whether this is an incomplete answer with some text."""
        ended = self.status in (Status.STOPPED, Status.INTERRUPTED, Status.FAILED) or self.cut_off
        return self.role == Role.ASSISTANT and ended and bool(self.content)

    def text(self) -> str:
        """Return the text; of a running answer, the part that is stored."""
        return self.generation.text() if self.is_running else self.content

    def rate(self, rating: int | None, reason: str = "") -> None:
        """Set the rating: 1, -1 or None, with a reason."""
        self.rating, self.rating_reason = rating, reason.strip() if rating else ""
        self.save(update_fields=["rating", "rating_reason"])


class RenderedMessage(models.Model):
    """The HTML of a finished answer, kept so that its Markdown is parsed once.

    It is valid for one `chats.markdown.VERSION`; see `chats.views.message`.
    """

    message = models.OneToOneField(
        Message, on_delete=models.CASCADE, primary_key=True, related_name="rendered"
    )
    version = models.CharField(max_length=60)
    html = models.TextField()

    def __str__(self) -> str:
        return f"HTML of {self.message_id}"

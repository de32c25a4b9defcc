"""The assistant of an organization: its model, system prompt and limits."""

from __future__ import annotations

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from chats.providers.transport import check_base_url
from project.accounts.models import Organization
from project.encryption import seal, unseal

SYSTEM_PROMPT = (
    "You are the assistant of Sideline, software for people with cameras. Answer briefly and "
    "plainly, in the language of the question. You cannot see the cameras or their records: when "
    "a question needs counts, times or events from them, say so instead of guessing."
)


def validate_base_url(value: str) -> None:
    """Raise `ValidationError` unless a provider accepts the URL."""
    try:
        check_base_url(value, settings.MODEL_SERVERS)
    except ValueError as error:
        raise ValidationError(str(error)) from None


class Assistant(models.Model):
    """Settings of one organization. Without a base URL the built-in model answers."""

    organization = models.OneToOneField(
        Organization, on_delete=models.CASCADE, related_name="assistant"
    )
    base_url = models.CharField(
        "address", max_length=500, blank=True, validators=[validate_base_url],
        help_text="An OpenAI-compatible endpoint, such as https://models.example.org/v1. "
        "Empty: the built-in model.",
    )  # fmt: skip
    sealed_key = models.TextField(blank=True, editable=False)
    model = models.CharField(
        max_length=200, blank=True,
        help_text="As the endpoint calls it. Not used by the built-in model.",
    )  # fmt: skip
    system_prompt = models.TextField(blank=True, max_length=8000, default=SYSTEM_PROMPT)
    temperature = models.FloatField(
        default=0.3, validators=[MinValueValidator(0.0), MaxValueValidator(2.0)],
        help_text="From 0 to 2. Lower repeats itself, higher wanders.",
    )  # fmt: skip
    max_tokens = models.PositiveIntegerField(
        "most tokens in an answer", default=1024,
        validators=[MinValueValidator(16), MaxValueValidator(32_768)],
        help_text="From 16 to 32,768. The built-in model writes 512.",
    )  # fmt: skip
    context_tokens = models.PositiveIntegerField(
        "tokens of a conversation that the model takes", default=8192,
        validators=[MinValueValidator(512), MaxValueValidator(1_000_000)],
        help_text="Older messages are left out beyond it. The built-in model takes 4096.",
    )  # fmt: skip
    daily_tokens = models.PositiveBigIntegerField(
        "tokens a day", null=True, blank=True, default=10_000_000,
        help_text="Empty: no limit.",
    )  # fmt: skip
    daily_tokens_each = models.PositiveBigIntegerField(
        "tokens a day for each person", null=True, blank=True, default=1_000_000,
        help_text="Empty: no limit.",
    )  # fmt: skip
    storage_mb = models.PositiveIntegerField(
        "megabytes of stored text", null=True, blank=True, default=2048,
        validators=[MinValueValidator(1)],
        help_text="Empty: no limit.",
    )  # fmt: skip
    storage_mb_each = models.PositiveIntegerField(
        "megabytes of stored text for each person", null=True, blank=True, default=64,
        validators=[MinValueValidator(1)],
        help_text="Empty: no limit. Who has more must delete chats first.",
    )  # fmt: skip
    retention_days = models.PositiveIntegerField(
        "days that chats are kept", null=True, blank=True,
        validators=[MinValueValidator(1)],
        help_text="Counted from the last message. Empty: until they are deleted.",
    )  # fmt: skip

    def __str__(self) -> str:
        return f"Assistant of {self.organization}"

    @classmethod
    def of(cls, organization: Organization) -> Assistant:
        """Return the stored settings, or unsaved defaults."""
        return cls.objects.filter(organization=organization).first() or cls(
            organization=organization
        )

    @property
    def is_embedded(self) -> bool:
        return not self.base_url

    @property
    def key(self) -> str:
        """The endpoint's key, decrypted. Raises `UnsealFailed`."""
        return unseal(self.sealed_key)

    @key.setter
    def key(self, value: str) -> None:
        self.sealed_key = seal(value)

    def clean(self) -> None:
        if self.base_url and not self.model:
            raise ValidationError({"model": "Name the model that the endpoint is to use."})

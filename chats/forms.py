"""The form of the assistant's settings, for the organization's page and for the admin."""

from __future__ import annotations

from typing import Any

import httpx
from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError

from chats.models import Assistant
from chats.providers.transport import check_base_url, host_and_port

STORED = "A key is stored. Leave this empty to keep it."
MOVED = "The stored key is for another address. Enter this address’s key, or remove the stored one."


def origin(base_url: str) -> tuple[str, str]:
    """Return scheme and `host:port`, to which a key is sent; empty strings for an empty URL."""
    if not base_url:
        return "", ""
    url = httpx.URL(base_url)
    return url.scheme, host_and_port(url)


class AssistantForm(forms.ModelForm[Assistant]):
    """Settings of an assistant. The stored key is never shown.

    The key belongs to its address: another address needs the key again, and without an address it
    is removed.
    """

    key = forms.CharField(
        required=False,
        max_length=500,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password", "spellcheck": "false"}),
        help_text="Empty, if the endpoint wants none.",
    )
    remove_key = forms.BooleanField(label="Remove the stored key", required=False)
    field_order = ("base_url", "key", "remove_key", "model")
    connecting = ("base_url", "key", "remove_key", "model")

    class Meta:
        model = Assistant
        fields = (
            "base_url", "model", "system_prompt", "temperature", "max_tokens", "context_tokens",
            "daily_tokens", "daily_tokens_each", "storage_mb", "storage_mb_each", "retention_days",
        )  # fmt: skip
        labels = {  # noqa: RUF012
            "base_url": "Base URL",
            "model": "Name of the model",
            "system_prompt": "System prompt",
            "context_tokens": "Tokens of context",
            "daily_tokens": "Tokens a day, together",
            "daily_tokens_each": "Tokens a day, each",
            "storage_mb": "Stored text, together (MB)",
            "storage_mb_each": "Stored text, each (MB)",
        }
        widgets = {  # noqa: RUF012
            "base_url": forms.TextInput(
                attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}
            ),
            "model": forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
            "system_prompt": forms.Textarea(attrs={"rows": 6}),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.key_is_stored = bool(self.instance.sealed_key)
        self._key_origin = origin(self.instance.base_url)
        if self.key_is_stored:
            self.fields["key"].help_text = STORED
        else:
            self.fields["remove_key"].widget = forms.HiddenInput()

    def clean_base_url(self) -> str:
        """Validate the URL as the provider does, with this installation's listed addresses."""
        text = self.cleaned_data["base_url"]
        try:
            return check_base_url(text, settings.MODEL_SERVERS) if text else ""
        except ValueError as error:
            raise ValidationError(str(error)) from None

    def clean_key(self) -> str:
        key: str = self.cleaned_data["key"]
        if not (key.isascii() and key.isprintable()):
            raise ValidationError("The key holds characters that no key has. Enter it again.")
        return key

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "base_url" not in cleaned or "key" not in cleaned:
            return cleaned
        url, key, remove = cleaned["base_url"], cleaned["key"], cleaned.get("remove_key")
        if key and not url:
            self.add_error("base_url", "Enter the base URL that the key is for.")
        elif key and remove:
            self.add_error("remove_key", "Either enter a new key or remove the stored one.")
        elif (
            url
            and self.key_is_stored
            and not key
            and not remove
            and origin(url) != self._key_origin
        ):
            self.add_error("key", MOVED)
        return cleaned

    def _post_clean(self) -> None:
        super()._post_clean()  # type: ignore[misc]
        if self.cleaned_data.get("key"):
            self.instance.key = self.cleaned_data["key"]
        elif self.cleaned_data.get("remove_key") or not self.instance.base_url:
            self.instance.sealed_key = ""

"""Forms for what lets others watch a camera: share links and stream keys."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django import forms
from django.utils import timezone

from cameras.models import ShareLink, StreamKey
from project.accounts.forms import SCOPES_SAID
from project.accounts.models.tokens import SCOPES

assert tuple(sorted(SCOPES_SAID)) == tuple(sorted(SCOPES))


class ShareLinkForm(forms.ModelForm[ShareLink]):
    """A name to know the link by, how long it lives, and how often it may be opened."""

    hours = forms.TypedChoiceField(
        label="Ends after",
        coerce=int,
        choices=((1, "1 hour"), (24, "1 day"), (7 * 24, "7 days"), (30 * 24, "30 days")),
        initial=24,
    )
    uses_most = forms.TypedChoiceField(
        label="May be opened",
        coerce=int,
        choices=((1, "once"), (5, "5 times"), (20, "20 times"), (100, "100 times")),
        initial=5,
    )

    class Meta:
        model = ShareLink
        fields = ("name", "uses_most")
        labels = {"name": "Who is it for"}  # noqa: RUF012
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off"})}  # noqa: RUF012

    field_order = ("name", "hours", "uses_most")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("auto_id", "share_%s")  # it stands on one page with a stream key's
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "hours" in cleaned:
            self.instance.expires_at = timezone.now() + timedelta(hours=cleaned["hours"])
        return cleaned


class StreamKeyForm(forms.ModelForm[StreamKey]):
    """A name to know the key by, and how long it lives."""

    days = forms.TypedChoiceField(
        label="Ends after",
        coerce=int,
        choices=((1, "1 day"), (7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year")),
        initial=90,
    )

    class Meta:
        model = StreamKey
        fields = ("name",)
        labels = {"name": "Who or what is it for"}  # noqa: RUF012
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off"})}  # noqa: RUF012

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "days" in cleaned:
            self.instance.expires_at = timezone.now() + timedelta(days=cleaned["days"])
        return cleaned

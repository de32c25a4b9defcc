"""Forms for what lets others in: share links and stream keys of a camera, tokens of a person."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils import timezone

from cameras.actors import Actor
from cameras.models import Organization, Role, ShareLink, StreamKey, Token
from cameras.models.credentials import SCOPES, validate_token_name

# What each scope is called, and what it lets a program do.
SCOPES_SAID = {
    "read": ("Watch", "see the cameras, their pictures and what was detected"),
    "chat": ("Chat", "ask the assistant, and read, change and delete your chats"),
    "publish": ("Publish", "send pictures to push cameras, and make stream keys and share links"),
    "admin": (
        "Administer",
        "add, change and remove cameras, see their addresses, and see and revoke members’ tokens",
    ),
}
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


class _Homes(forms.ModelChoiceField[Organization]):
    """Organizations, each with one's role there."""

    roles: dict[uuid.UUID, str]

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} ({Role(self.roles[obj.pk]).label.lower()})"


class TokenForm(forms.Form):
    """A token for a program: in one organization, for some of what one may do there."""

    organization = _Homes(Organization.objects.none(), empty_label=None)
    name = forms.CharField(
        label="What is it for",
        max_length=Token._meta.get_field("name").max_length,
        validators=[validate_token_name],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        widget=forms.CheckboxSelectMultiple,
        initial=["read"],
        error_messages={
            "required": "Choose at least one thing that it may do.",
            "invalid_choice": "Your role does not allow this.",
        },
    )
    days = forms.TypedChoiceField(
        label="Ends after",
        coerce=int,
        choices=((1, "1 day"), (7, "7 days"), (30, "30 days"), (90, "90 days"), (365, "1 year")),
        initial=90,
    )

    def __init__(
        self, *args: Any, actor: Actor, organizations: Iterable[Organization], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.actor = actor
        homes = list(organizations)
        field = self.fields["organization"]
        assert isinstance(field, _Homes)
        field.queryset = Organization.objects.filter(pk__in=[one.pk for one in homes])
        field.roles = dict(actor.roles)
        if len(homes) == 1:
            field.widget = field.hidden_widget()
            self.initial["organization"] = homes[0].pk
        scopes = self.fields["scopes"]
        assert isinstance(scopes, forms.MultipleChoiceField)
        mine = [one for one in SCOPES_SAID if any(actor.may(one, home.pk) for home in homes)]
        scopes.choices = [(one, SCOPES_SAID[one][0]) for one in mine]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        home = cleaned.get("organization")
        if home is not None:
            lacking = [
                SCOPES_SAID[one][0]
                for one in cleaned.get("scopes", ())
                if not self.actor.may(one, home.pk)
            ]
            if lacking:
                self.add_error(
                    "scopes",
                    ValidationError(
                        f"In {home.name} your role does not allow this: {', '.join(lacking)}."
                    ),
                )
        return cleaned

    def boxes(self) -> list[tuple[Any, str]]:
        """A checkbox for each scope, and what it is for."""
        return [(box, SCOPES_SAID[box.data["value"]][1]) for box in self["scopes"]]

    @property
    def expiry(self) -> Any:
        """When the token ends, of a valid form."""
        return timezone.now() + timedelta(days=self.cleaned_data["days"])

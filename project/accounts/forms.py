"""Forms for organizations, invitations, new accounts and tokens."""

from __future__ import annotations

import uuid
import zoneinfo
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django import forms
from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.utils import timezone

from project.accounts.credentials import Actor
from project.accounts.models import Invitation, Organization, Role, Token, User
from project.accounts.models.tokens import SCOPES, validate_token_name
from project.accounts.usernames import validate_new_username

ZONES = tuple(sorted(zoneinfo.available_timezones()))
ZONE_INPUT = forms.TextInput(attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"})


class WithZones:
    """Time zone names for the `datalist` of a form."""

    zones = ZONES


class OrganizationForm(WithZones, forms.ModelForm[Organization]):
    """An organization's settings, with `metadata.serverHostURL` as the field `host`."""

    host = forms.CharField(
        label="Server host",
        required=False,
        max_length=253,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="Only where other programs must use another host than this page's. A bare host, "
        "such as cameras.example.org; sent to them as serverHostURL.",
    )

    class Meta:
        model = Organization
        fields = ("name", "time_zone", "audit_days")
        widgets = {"time_zone": ZONE_INPUT}  # noqa: RUF012
        labels = {"audit_days": "Days that the audit log is kept"}  # noqa: RUF012
        help_texts = {  # noqa: RUF012
            "time_zone": "In which times are shown, such as Europe/Berlin.",
            "audit_days": "Up to 3650. It can only be raised here, for less would erase traces. "
            "The people who run this installation can lower it.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("host", self.instance.metadata.get("serverHostURL") or "")
        self.fields["audit_days"].required = False

    def clean_audit_days(self) -> int:
        """Keep the value if empty. Refuse a lower one, which would erase entries of the log."""
        before = int(self.initial["audit_days"])
        days = int(self.cleaned_data["audit_days"] or before)
        if days < before:
            raise ValidationError(
                f"The log is kept for {before} days, and this can only be raised here. "
                "Ask the people who run this installation to lower it."
            )
        return days

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        metadata = {k: v for k, v in self.instance.metadata.items() if k != "serverHostURL"}
        if cleaned.get("host"):
            metadata["serverHostURL"] = cleaned["host"]
        try:
            self.instance._meta.get_field("metadata").clean(metadata, self.instance)
        except ValidationError:
            self.add_error("host", "This must be a bare host: no scheme, port or path.")
        else:
            self.instance.metadata = metadata
        return cleaned


class InvitationForm(forms.ModelForm[Invitation]):
    """For whom an invitation is, with which role, and for how long."""

    days = forms.TypedChoiceField(
        label="Ends after",
        coerce=int,
        choices=((1, "1 day"), (7, "7 days"), (14, "14 days"), (30, "30 days")),
        initial=7,
    )

    class Meta:
        model = Invitation
        fields = ("name", "role")
        labels = {"name": "For whom"}  # noqa: RUF012 - Django's attribute
        widgets = {"name": forms.TextInput(attrs={"autocomplete": "off"})}  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = "invitation_%s"  # the page has another form with a field `name`

    def build_invitation(self) -> Invitation:
        """Return the invitation, not saved."""
        self.instance.expires_at = timezone.now() + timedelta(days=self.cleaned_data["days"])
        return self.instance


PASSWORD_MOST = 1000  # characters: every password sent is hashed


def password_field(label: str, autocomplete: str) -> forms.CharField:
    """Return a field for a password, of which browsers know by `autocomplete` which it is."""
    widget = forms.PasswordInput(attrs={"autocomplete": autocomplete})
    return forms.CharField(label=label, max_length=PASSWORD_MOST, strip=False, widget=widget)


class NewPersonForm(forms.Form):
    """Username and password of a new account; an e-mail address if mail is configured."""

    username = forms.CharField(
        max_length=150,
        widget=forms.TextInput(
            attrs={"autocomplete": "username", "autocapitalize": "none", "spellcheck": "false"}
        ),
    )
    password1 = password_field("Password", "new-password")
    password2 = password_field("Password again", "new-password")
    email = forms.EmailField(
        label="E-mail",
        required=False,
        max_length=254,
        help_text="For a link, in case you forget the password.",
        widget=forms.EmailInput(attrs={"autocomplete": "email"}),
    )

    def __init__(self, *args: Any, mail: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not mail:
            del self.fields["email"]

    def clean_username(self) -> str:
        name: str = User.normalize_username(self.cleaned_data["username"])
        for validate in User._meta.get_field("username").validators:
            validate(name)
        validate_new_username(name, User.objects.values_list("username", flat=True))
        return name

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        password = cleaned.get("password1")
        if password and cleaned.get("password2") and password != cleaned["password2"]:
            self.add_error("password2", "The two passwords differ.")
        elif password:
            user = User(username=cleaned.get("username", ""), email=cleaned.get("email", ""))
            try:
                password_validation.validate_password(password, user)
            except ValidationError as error:
                self.add_error("password1", error)
        return cleaned

    def build_user(self) -> User:
        """Return the user with the password hashed, not saved."""
        data = self.cleaned_data
        user = User(username=data["username"], email=data.get("email", ""))
        user.set_password(data["password1"])
        return user


# The label of each scope, and what it allows.
SCOPE_LABELS = {
    "read": ("Watch", "see the cameras, their pictures and what was detected"),
    "chat": ("Chat", "ask the assistant, and read, change and delete your chats"),
    "publish": ("Publish", "send pictures to push cameras, and make stream keys and share links"),
    "admin": (
        "Administer",
        "add, change and remove cameras, see their addresses, and see and revoke members’ tokens",
    ),
}
assert SCOPE_LABELS.keys() == set(SCOPES)


class _OrganizationField(forms.ModelChoiceField[Organization]):
    """A choice of organizations, labelled with the user's role."""

    roles: dict[uuid.UUID, str]

    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} ({Role(self.roles[obj.pk]).label.lower()})"


class TokenForm(forms.Form):
    """A token for a program: one organization, and some of the scopes that the user has there."""

    organization = _OrganizationField(Organization.objects.none(), empty_label=None)
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
        own = list(organizations)
        field = self.fields["organization"]
        assert isinstance(field, _OrganizationField)
        field.queryset = Organization.objects.filter(pk__in=[each.pk for each in own])
        field.roles = dict(actor.roles)
        if len(own) == 1:
            field.widget = field.hidden_widget()
            self.initial["organization"] = own[0].pk
        scopes = self.fields["scopes"]
        assert isinstance(scopes, forms.MultipleChoiceField)
        scopes.choices = [
            (scope, label)
            for scope, (label, _) in SCOPE_LABELS.items()
            if any(actor.has_scope(scope, each.pk) for each in own)
        ]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        organization = cleaned.get("organization")
        if organization is not None:
            lacking = [
                SCOPE_LABELS[scope][0]
                for scope in cleaned.get("scopes", ())
                if not self.actor.has_scope(scope, organization.pk)
            ]
            if lacking:
                self.add_error(
                    "scopes",
                    ValidationError(
                        f"In {organization.name} your role does not allow this: "
                        f"{', '.join(lacking)}."
                    ),
                )
        return cleaned

    def scope_boxes(self) -> list[tuple[Any, str]]:
        """Return a checkbox for each scope, and what the scope allows."""
        return [(box, SCOPE_LABELS[box.data["value"]][1]) for box in self["scopes"]]

    @property
    def expiry(self) -> Any:
        """The expiry of the token. The form must be valid."""
        return timezone.now() + timedelta(days=self.cleaned_data["days"])

"""Forms of the pages. What must hold for every caller is validated by the models."""

from __future__ import annotations

import zoneinfo
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils import timezone

from cameras.ingest.labels import COCO, DEFAULT_CLASSES
from cameras.models import Camera, Kind, Membership, Organization, Role, StreamKey, User

COMMON_FIRST = (*DEFAULT_CLASSES, *sorted({*COCO} - {*DEFAULT_CLASSES}))
ZONES = tuple(sorted(zoneinfo.available_timezones()))
NAME_TAKEN = next(
    rule.violation_error_message
    for rule in Camera._meta.constraints
    if rule.name == "camera_name_once"
)
_ZONE_INPUT = forms.TextInput(attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"})


class WithZones:
    """For the list that a zone's field completes from."""

    zones = ZONES


class SourceForm(forms.ModelForm[Camera]):
    """A camera with its source as an ordinary field: shown masked, validated by `Camera.clean`."""

    source = forms.CharField(
        required=False,
        max_length=2000,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
        ),
    )
    classes = forms.MultipleChoiceField(
        label="What to detect",
        required=False,
        choices=[(name, name) for name in COMMON_FIRST],
        initial=list(DEFAULT_CLASSES),
        widget=forms.CheckboxSelectMultiple,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("source", self.instance.shown_source)

    def _post_clean(self) -> None:
        # Before the model's own validation, so that its errors land on the field.
        if self.cleaned_data.get("kind") in (Kind.PUSH, Kind.DEMO):
            self.instance.source = ""
        elif "source" in self.cleaned_data:
            self.instance.source = self.cleaned_data["source"]
        super()._post_clean()  # type: ignore[misc]

    def add_error(self, field: str | None, error: Any) -> None:
        """The model's constraint spans two fields and so names none: here it is the name's."""
        parts = getattr(error, "error_dict", {})
        general = parts.pop(NON_FIELD_ERRORS, [])
        for one in general:
            where = "name" if one.message == NAME_TAKEN else NON_FIELD_ERRORS
            parts.setdefault(where, []).append(one)
        super().add_error(field, error)


class CameraForm(WithZones, SourceForm):
    """A camera of the pages. `organizations` are those that a new one may be put into."""

    organization = forms.ModelChoiceField(Organization.objects.none(), empty_label=None)

    class Meta:
        model = Camera
        fields = (
            "organization", "name", "kind", "source", "enabled", "detect", "classes", "threshold",
            "fps", "width", "quality", "time_zone",
        )  # fmt: skip
        widgets = {"time_zone": _ZONE_INPUT}  # noqa: RUF012
        help_texts = {  # noqa: RUF012
            "threshold": "From 0.05 to 0.95. Lower finds more and errs more.",
            "fps": "From 1 to 30.",
            "quality": "From 30 to 95.",
        }

    def __init__(
        self, *args: Any, organizations: Sequence[Organization] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["threshold"].widget.attrs["step"] = "0.05"
        if self.instance._state.adding:
            self._offer(organizations)
        else:
            self._offer([self.instance.organization])
            self.fields["organization"].disabled = True  # a camera stays where its history is

    def _offer(self, organizations: Sequence[Organization]) -> None:
        field = self.fields["organization"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Organization.objects.filter(pk__in=[one.pk for one in organizations])
        if len(organizations) == 1:
            field.widget = field.hidden_widget()
            self.initial["organization"] = organizations[0].pk


class OrganizationForm(WithZones, forms.ModelForm[Organization]):
    """Name, zone, and the host that viewers are told to connect to."""

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
        fields = ("name", "time_zone")
        widgets = {"time_zone": _ZONE_INPUT}  # noqa: RUF012
        help_texts = {"time_zone": "In which times are shown, such as Europe/Berlin."}  # noqa: RUF012

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("host", self.instance.metadata.get("serverHostURL") or "")

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


class MemberForm(forms.Form):
    """Someone to let in: a person who has an account, or a new one."""

    username = forms.CharField(
        max_length=150,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
        ),
    )
    role = forms.ChoiceField(choices=Role.choices, initial=Role.VIEWER)

    def __init__(self, *args: Any, organization: Organization, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.organization = organization

    def clean_username(self) -> str:
        name: str = User.normalize_username(self.cleaned_data["username"])
        for validate in User._meta.get_field("username").validators:
            validate(name)
        if Membership.objects.filter(organization=self.organization, user__username=name).exists():
            raise ValidationError(f"{name} is a member already.")
        return name

    def person(self) -> tuple[User, bool]:
        """The person, and whether they were made now (without a password)."""
        name = self.cleaned_data["username"]
        known = User.objects.filter(username=name).first()
        return (known, False) if known else (User.objects.create_user(name), True)


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

"""Forms of the pages. What must hold for every caller is validated by the models."""

from __future__ import annotations

import json
import zoneinfo
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.utils import timezone

from cameras.ingest.labels import COCO, DEFAULT_CLASSES, chosen
from cameras.models import Camera, Kind, Organization, StreamKey, Weights

SHOWN = 24  # of an own model's labels; the rest is folded away
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


class Decoder(json.JSONDecoder):
    """Says of any text that it is no JSON, which Python says of some in another way."""

    def decode(self, text: str, *args: Any) -> Any:
        try:
            return super().decode(text, *args)
        except (ValueError, RecursionError):
            raise json.JSONDecodeError("no JSON", "", 0) from None


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
        masks = self.fields["masks"]
        assert isinstance(masks, forms.JSONField)
        masks.decoder, masks.show_hidden_initial = Decoder, True
        adding = self.instance._state.adding
        self.offer_classes(None if adding else [self.instance.organization])

    def offer_classes(self, organizations: Sequence[Organization] | None) -> None:
        """What the detectors of these know, or of all; the first `common` are shown at once."""
        models = Weights.objects.in_use()
        if organizations is not None:
            models = models.filter(organization__in=organizations)
        own = list(dict.fromkeys(label for model in models for label in model.labels))
        all_own = organizations is not None and len(models) == len(organizations) > 0
        names = own if all_own else list(dict.fromkeys((*own, *COMMON_FIRST)))
        self.common = min(len(own), SHOWN) if own else len(DEFAULT_CLASSES)
        self.has_more = len(names) > self.common
        field = self.fields["classes"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(name, name) for name in names]
        if all_own:
            self.initial["classes"] = chosen(self.instance.classes, own)
        elif not self.instance._state.adding:
            self.initial["classes"] = chosen(self.instance.classes, COCO)

    def clean_masks(self) -> Any:
        """As drawn; where nothing was drawn, what others have drawn meanwhile stays."""
        if "masks" not in self.changed_data:
            return self.instance.masks
        return self.cleaned_data["masks"] or []

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
            "fps", "width", "quality", "masks", "time_zone",
        )  # fmt: skip
        widgets = {"time_zone": _ZONE_INPUT, "masks": forms.HiddenInput}  # noqa: RUF012
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
            self.offer_classes(organizations)
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
    """Name, zone, how long the audit log is kept, and the host that viewers are told of."""

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
        widgets = {"time_zone": _ZONE_INPUT}  # noqa: RUF012
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
        """Empty keeps what was said before; fewer would let an administrator erase traces."""
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

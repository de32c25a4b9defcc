"""Forms for cameras, share links and stream keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.utils import timezone

from cameras.ingest.labels import COCO, DEFAULT_CLASSES, chosen
from cameras.models import Camera, Kind, ShareLink, StreamKey, Weights
from project.accounts.forms import SCOPES_SAID, ZONE_INPUT, WithZones
from project.accounts.models import Organization
from project.accounts.models.tokens import SCOPES

SHOWN = 24  # of an own model's labels; the rest is folded away
COMMON_FIRST = (*DEFAULT_CLASSES, *sorted({*COCO} - {*DEFAULT_CLASSES}))
FIELDS = (
    "organization", "name", "kind", "source", "enabled", "detect", "classes", "threshold",
    "fps", "width", "quality", "masks", "time_zone",
)  # fmt: skip
NAME_TAKEN = next(
    rule.violation_error_message
    for rule in Camera._meta.constraints
    if rule.name == "camera_name_once"
)


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
        masks = self.fields.get("masks")  # the admin makes forms without fields, to look at
        if isinstance(masks, forms.JSONField):
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
        fields = FIELDS
        widgets = {"time_zone": ZONE_INPUT, "masks": forms.HiddenInput}  # noqa: RUF012
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

"""Forms for cameras, share links and stream keys."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS
from django.utils import timezone

from cameras.ingest.labels import COCO, DEFAULT_CLASSES, select_labels
from cameras.ingest.sources.addresses import MASK, SCHEMES, join_login, split_login
from cameras.models import Camera, Kind, ShareLink, StreamKey, Weights
from cameras.models.local_sources import media_files, shown_media_folder
from project.accounts.forms import ZONE_INPUT, WithZones
from project.accounts.models import Organization

LABELS_SHOWN = 24  # of a custom model; the others are folded away
COMMON_FIRST = (*DEFAULT_CLASSES, *sorted({*COCO} - {*DEFAULT_CLASSES}))
FIELDS = (
    "organization", "name", "group", "kind", "source", "enabled", "detect", "classes", "threshold",
    "fps", "width", "quality", "aspect", "masks", "time_zone",
)  # fmt: skip


def entered_source(camera: Camera, kind: str, address: str, user: str, password: str) -> str:
    """The source that people entered as an address, a user name and a password.

    A login within the address wins over the fields. With an empty password the stored one is kept,
    as long as address and user name are the stored ones; else the result holds a masked password,
    which validation refuses. The text of other kinds is returned as it is.
    """
    address, user = address.strip(), user.strip()
    if kind not in SCHEMES:
        return address
    stored, stored_user, stored_password = split_login(camera.shown_source)
    if not password and stored_password:
        if (address, user) == (stored, stored_user):
            return camera.shown_source
        password = MASK if user == stored_user else ""
    return join_login(address, user, password)


class StrictDecoder(json.JSONDecoder):
    """Raise `JSONDecodeError` for every bad text; Python raises other errors for some."""

    def decode(self, text: str, *args: Any) -> Any:
        try:
            return super().decode(text, *args)
        except (ValueError, RecursionError):
            raise json.JSONDecodeError("no JSON", "", 0) from None


class SourceForm(forms.ModelForm[Camera]):
    """A camera form that shows the source masked. `Camera.clean` validates it."""

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
        masks = self.fields.get("masks")  # absent in the admin's form for view-only users
        if isinstance(masks, forms.JSONField):
            masks.decoder, masks.show_hidden_initial = StrictDecoder, True
        adding = self.instance._state.adding
        self.offer_classes(None if adding else [self.instance.organization])

    def offer_classes(self, organizations: Sequence[Organization] | None) -> None:
        """Offer the classes that the detectors of these organizations know (None: of all).

        The first `common` choices are shown, the others are folded away.
        """
        models = Weights.objects.in_use()
        if organizations is not None:
            models = models.filter(organization__in=organizations)
        custom = list(dict.fromkeys(label for model in models for label in model.labels))
        only_custom = organizations is not None and len(models) == len(organizations) > 0
        names = custom if only_custom else list(dict.fromkeys((*custom, *COMMON_FIRST)))
        self.common = min(len(custom), LABELS_SHOWN) if custom else len(DEFAULT_CLASSES)
        self.has_more = len(names) > self.common
        field = self.fields["classes"]
        assert isinstance(field, forms.MultipleChoiceField)
        field.choices = [(name, name) for name in names]
        if only_custom:
            self.initial["classes"] = select_labels(self.instance.classes, custom)
        elif not self.instance._state.adding:
            self.initial["classes"] = select_labels(self.instance.classes, COCO)

    def clean_masks(self) -> Any:
        """Return the drawn masks, or if unchanged the stored ones, which may be newer."""
        if "masks" not in self.changed_data:
            return self.instance.masks
        return self.cleaned_data["masks"] or []

    def read_source(self) -> str:
        """The source as it was entered."""
        return str(self.cleaned_data["source"])

    def _post_clean(self) -> None:
        # Before the model's validation, so that its errors are reported at the field.
        if self.cleaned_data.get("kind") in (Kind.PUSH, Kind.DEMO):
            self.instance.source = ""
        elif "source" in self.cleaned_data:
            self.instance.source = self.read_source()
        super()._post_clean()  # type: ignore[misc]
        # A name that is taken: the constraint spans two fields and names none.
        if NON_FIELD_ERRORS in self.errors:
            self.add_error("name", self.errors.pop(NON_FIELD_ERRORS).as_data())


class CameraForm(WithZones, SourceForm):
    """The form of the camera pages. A new camera may belong to any of `organizations`."""

    organization = forms.ModelChoiceField(Organization.objects.none(), empty_label=None)
    user = forms.CharField(
        label="User name",
        required=False,
        max_length=200,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "off"}
        ),
    )
    password = forms.CharField(
        required=False,
        max_length=200,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    class Meta:
        model = Camera
        fields = FIELDS
        widgets = {  # noqa: RUF012
            "group": forms.TextInput(attrs={"list": "groups", "autocomplete": "off"}),
            "time_zone": ZONE_INPUT,
            "masks": forms.HiddenInput,
        }
        help_texts = {  # noqa: RUF012
            "threshold": "From 0.05 to 0.95. Lower finds more and errs more.",
            "fps": "From 1 to 30.",
            "quality": "From 30 to 95.",
        }

    def __init__(
        self, *args: Any, organizations: Sequence[Organization] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.kind in SCHEMES:
            address, user, password = split_login(self.instance.shown_source)
            self.initial.update(source=address, user=user)
            if password:
                self.fields["password"].widget.attrs["placeholder"] = "stored; empty keeps it"
        self.fields["threshold"].widget.attrs["step"] = "0.05"
        if self.instance._state.adding:
            self.offer_classes(organizations)
        else:
            organizations = [self.instance.organization]
            self.fields["organization"].disabled = True  # a camera keeps its organization
        self._organizations = organizations
        field = self.fields["organization"]
        assert isinstance(field, forms.ModelChoiceField)
        field.queryset = Organization.objects.filter(
            pk__in=[organization.pk for organization in organizations]
        )
        if len(organizations) == 1:
            field.widget = field.hidden_widget()
            self.initial["organization"] = organizations[0].pk

    def groups(self) -> list[str]:
        """Return the names of the groups that there are, to be suggested."""
        return Camera.objects.filter(organization__in=self._organizations).group_names()

    def read_source(self) -> str:
        cleaned = self.cleaned_data
        entered = (str(cleaned.get(name, "")) for name in ("source", "user", "password"))
        return entered_source(self.instance, cleaned.get("kind", ""), *entered)

    def local_sources(self) -> list[dict[str, Any]]:
        """Return what each organization that can be chosen may use of this machine.

        The files and devices are sources as they are written.
        """
        return [
            {
                "organization": organization,
                "folder": shown_media_folder(organization.pk),
                "files": media_files(organization.pk),
                "devices": [str(grant) for grant in organization.device_grants.all()],
            }
            for organization in self._organizations
        ]


class ShareLinkForm(forms.ModelForm[ShareLink]):
    """Name, lifetime and number of uses of a new share link."""

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
        # Unique ids: the stream key's form is on the same page.
        kwargs.setdefault("auto_id", "share_%s")
        super().__init__(*args, **kwargs)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "hours" in cleaned:
            self.instance.expires_at = timezone.now() + timedelta(hours=cleaned["hours"])
        return cleaned


class StreamKeyForm(forms.ModelForm[StreamKey]):
    """Name and lifetime of a new stream key."""

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

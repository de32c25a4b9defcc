"""An organization's form."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from cameras.forms.zones import ZONE_INPUT, WithZones
from cameras.models import Organization


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

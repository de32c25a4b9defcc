"""The field of a time zone, which a list of all zones completes."""

from __future__ import annotations

import zoneinfo

from django import forms

ZONES = tuple(sorted(zoneinfo.available_timezones()))
ZONE_INPUT = forms.TextInput(attrs={"list": "zones", "autocomplete": "off", "spellcheck": "false"})


class WithZones:
    """For the list that a zone's field completes from."""

    zones = ZONES

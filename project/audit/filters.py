"""The filter of the audit log, from a query string: the same for its pages and its exports."""

from __future__ import annotations

import uuid
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q
from django.utils.text import capfirst

from project.audit.log import Action
from project.audit.models import AuditEntryQuerySet
from project.search import contains, words_of

# A day at either end of `date` has no midnight in some time zones.
_DAYS = (MinValueValidator(date(2, 1, 1)), MaxValueValidator(date(9998, 12, 31)))


def _text() -> forms.CharField:
    return forms.CharField(required=False, widget=forms.TextInput({"maxlength": 150}))


def _day(label: str) -> forms.DateField:
    widget = forms.DateInput({"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(required=False, label=label, validators=_DAYS, widget=widget)


class AuditFilter(forms.Form):
    """Conditions on entries. Empty and invalid ones do not filter; the page shows what is invalid.

    `camera` is a part of its name, or its id. Days are inclusive, in `zone`. `has_all`: entries of
    more than one organization are shown.
    """

    q = forms.CharField(required=False, label="Search")
    who, camera, organization = _text(), _text(), _text()
    action = forms.ChoiceField(
        required=False, choices=[("", "All"), *((action, capfirst(action)) for action in Action)]
    )
    since, until = _day("From"), _day("To")

    def __init__(self, query: Any, zone: tzinfo, *, has_all: bool) -> None:
        super().__init__(query, label_suffix="")
        self.zone = zone
        if not has_all:
            del self.fields["organization"]
        self.is_valid()
        self.asked = {name: value for name, value in self.cleaned_data.items() if value}

    def apply(self, entries: AuditEntryQuerySet) -> AuditEntryQuerySet:
        """Return the entries that match all conditions."""
        asked = self.asked
        for word in words_of(asked.get("q", "")):
            texts = contains("who", word), contains("subject", word), contains("detail", word)
            entries = entries.filter(Q(*texts, Q(address__contains=word), _connector=Q.OR))
        if who := asked.get("who"):
            entries = entries.filter(contains("who", who))
        if camera := asked.get("camera"):
            by_name = Q(contains("subject", camera), camera_id__isnull=False)
            pk = _parse_uuid(camera)
            entries = entries.filter(by_name | Q(camera_id=pk) if pk else by_name)
        if organization := asked.get("organization"):
            entries = entries.filter(contains("organization_name", organization))
        if action := asked.get("action"):
            entries = entries.filter(action=action)
        if since := asked.get("since"):
            entries = entries.filter(at__gte=self._midnight(since))
        if until := asked.get("until"):
            entries = entries.filter(at__lt=self._midnight(until + timedelta(days=1)))
        return entries

    def describe(self) -> str:
        """Return the conditions as text for the log entry of the reading; empty without any."""
        return "; ".join(f"{self[name].label.lower()} {each}" for name, each in self.asked.items())

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)


def _parse_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None

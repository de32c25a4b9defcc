"""Filters of the audit log, from a query string: the same for its pages and its exports."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from django.db.models import Q

from project.audit.log import Action
from project.audit.models import AuditEntryQuerySet, single_line
from project.search import contains

MAX_TEXT = 150  # characters
# A day at either end of `date` has no midnight in some time zones.
_FIRST_DAY, _LAST_DAY = date(2, 1, 1), date(9999, 1, 1)


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Conditions on entries; an empty one does not filter. Days are inclusive, in `zone`."""

    zone: tzinfo
    who: str = ""
    camera: str = ""  # a part of its name, or its id
    action: str = ""
    since: date | None = None
    until: date | None = None

    @classmethod
    def from_query(cls, query: Mapping[str, str], zone: tzinfo) -> AuditFilter:
        """Parse a query string. Invalid values do not filter."""
        action = query.get("action", "")
        return cls(
            zone,
            who=single_line(query.get("who", ""), MAX_TEXT),
            camera=single_line(query.get("camera", ""), MAX_TEXT),
            action=action if action in list(Action) else "",
            since=_parse_day(query.get("since", "")),
            until=_parse_day(query.get("until", "")),
        )

    def apply(self, entries: AuditEntryQuerySet) -> AuditEntryQuerySet:
        """Return the entries that match all conditions."""
        if self.who:
            entries = entries.filter(contains("who", self.who))
        if self.camera:
            by_name = Q(contains("subject", self.camera), camera_id__isnull=False)
            pk = _parse_uuid(self.camera)
            entries = entries.filter(by_name | Q(camera_id=pk) if pk else by_name)
        if self.action:
            entries = entries.filter(action=self.action)
        if self.since:
            entries = entries.filter(at__gte=self._midnight(self.since))
        if self.until:
            entries = entries.filter(at__lt=self._midnight(self.until + timedelta(days=1)))
        return entries

    def describe(self) -> str:
        """Return the conditions as text for the log entry of the reading; empty if there are
        none."""
        conditions = {
            "who": self.who, "camera": self.camera, "action": self.action,
            "from": self.since, "to": self.until,
        }  # fmt: skip
        return "; ".join(f"{name} {value}" for name, value in conditions.items() if value)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)


def _parse_day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if _FIRST_DAY < day < _LAST_DAY else None


def _parse_uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None

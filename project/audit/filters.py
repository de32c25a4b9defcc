"""What is looked for in the log, from a query string: the same for its pages and its files."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from django.db.models import Q

from project.audit.log import Action
from project.audit.models import AuditEntryQuerySet, line

WORD_MOST = 150
_DATE_MOST = date(9999, 1, 1)


@dataclass(frozen=True, slots=True)
class Looked:
    """Empty, or None, is not asked. Days are whole days of `zone`, the first and the last."""

    zone: tzinfo
    who: str = ""
    camera: str = ""  # a part of its name, or its id
    action: str = ""
    since: date | None = None
    until: date | None = None

    @classmethod
    def of(cls, asked: Mapping[str, str], zone: tzinfo) -> Looked:
        """What makes no sense is not asked."""
        action = asked.get("action", "")
        return cls(
            zone,
            who=line(asked.get("who", ""), WORD_MOST),
            camera=line(asked.get("camera", ""), WORD_MOST),
            action=action if action in list(Action) else "",
            since=_day(asked.get("since", "")),
            until=_day(asked.get("until", "")),
        )

    def among(self, entries: AuditEntryQuerySet) -> AuditEntryQuerySet:
        if self.who:
            entries = entries.filter(who__icontains=self.who)
        if self.camera:
            named = Q(camera_id__isnull=False, subject__icontains=self.camera)
            pk = _id(self.camera)
            entries = entries.filter(named | Q(camera_id=pk) if pk else named)
        if self.action:
            entries = entries.filter(action=self.action)
        if self.since:
            entries = entries.filter(at__gte=self._midnight(self.since))
        if self.until:
            entries = entries.filter(at__lt=self._midnight(self.until + timedelta(days=1)))
        return entries

    def sentence(self) -> str:
        """For the trace of the reading; empty where everything is asked."""
        asked = {
            "who": self.who, "camera": self.camera, "action": self.action,
            "from": self.since, "to": self.until,
        }  # fmt: skip
        return "; ".join(f"{name} {value}" for name, value in asked.items() if value)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone)


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if date(2, 1, 1) < found < _DATE_MOST else None  # any zone can tell it


def _id(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None

"""Taking snapshots: the first is an entry at once; those that follow are counted in one more.

A program may ask for a hundred a second. What one credential takes of one camera from one address
within `STRETCH_S` makes at most two entries: of the first, and of how many followed. The count is
kept in memory until the stretch is over or the server stops; a crash loses it, never the first.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from project.accounts.access import words_for
from project.audit.askers import Asker
from project.audit.log import Action
from project.audit.models import AuditEntry, Watched, line

STRETCH_S = 10.0
REMEMBER_MOST = 4096  # the oldest is written first, to make room


@dataclass(slots=True)
class _Stretch:
    facts: dict[str, Any]  # of the first entry, for the credential may be gone by the second
    began: float
    last: datetime
    more: int = 0

    def over(self) -> bool:
        return time.monotonic() - self.began >= STRETCH_S

    def write(self) -> None:
        """What followed the first; nothing where nothing did."""
        if self.more:
            said = f"and {self.more} more within {STRETCH_S:.0f} seconds"
            AuditEntry.objects.create(**self.facts, at=self.last, detail=said)


_stretches: OrderedDict[object, _Stretch] = OrderedDict()  # the oldest first
_lock = threading.Lock()  # two first ones at once are one


def took_snapshot(asker: Asker, camera: Watched) -> None:
    """A snapshot is about to be given out. Synchronous; where it raises, none may be."""
    pk = asker.user.pk if asker.user else None
    key = (pk, asker.credential, asker.address, camera.pk)
    with _lock:
        stretch = _stretches.get(key)
        if stretch is not None and not stretch.over():
            stretch.more, stretch.last = stretch.more + 1, timezone.now()
            return
        if stretch is not None:
            _end(key)
        facts = _facts(asker, camera)
        AuditEntry.objects.create(**facts)
        _stretches[key] = _Stretch(facts, time.monotonic(), timezone.now())
        while len(_stretches) > REMEMBER_MOST:
            _end(next(iter(_stretches)))


def write_counts(all_of_them: bool = False) -> None:
    """Write what is over; at the end of the process, all. Where it raises, what is left is kept."""
    with _lock:
        for key, stretch in list(_stretches.items()):
            if all_of_them or stretch.over():
                _end(key)


def _end(key: object) -> None:
    _stretches[key].write()
    del _stretches[key]


def _facts(asker: Asker, camera: Watched) -> dict[str, Any]:
    return {
        **asker.facts(words_for([asker.credential])),
        "organization": camera.organization,
        "organization_name": camera.organization.name,
        "subject": line(camera.name, 200),
        "camera_id": camera.pk,
        "action": Action.SNAPSHOT,
    }

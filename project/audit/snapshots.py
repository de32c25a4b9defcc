"""Entries for snapshots: the first at once, those that follow as a count.

A program may request a hundred a second. All snapshots of one camera with one credential from one
address within `WINDOW_S` make at most two entries: the first, and the number that followed. The
number is kept in memory until the window is over or the server stops; a crash loses it.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils import timezone

from project.accounts.access import describe_credentials
from project.audit.log import Action
from project.audit.models import AuditEntry, CameraLike, single_line
from project.audit.requesters import Requester

WINDOW_S = 10.0
MAX_WINDOWS = 4096  # beyond it, the oldest is written and dropped


@dataclass(slots=True)
class _Window:
    fields: dict[str, Any]  # of the first entry: the credential may be gone by the second
    started: float
    last: datetime
    more: int = 0

    def is_over(self) -> bool:
        return time.monotonic() - self.started >= WINDOW_S

    def write(self) -> None:
        """Write the count of snapshots after the first, if there are any."""
        if self.more:
            detail = f"and {self.more} more within {WINDOW_S:.0f} seconds"
            AuditEntry.objects.create(**self.fields, at=self.last, detail=detail)


_windows: OrderedDict[object, _Window] = OrderedDict()  # oldest first
_lock = threading.Lock()  # two concurrent first snapshots make one window


def log_snapshot(requester: Requester, camera: CameraLike) -> None:
    """Log a snapshot before it is sent; if this raises, do not send it. Synchronous."""
    pk = requester.user.pk if requester.user else None
    key = (pk, requester.credential, requester.address, camera.pk)
    with _lock:
        window = _windows.get(key)
        if window is not None and not window.is_over():
            window.more, window.last = window.more + 1, timezone.now()
            return
        if window is not None:
            _close(key)
        fields = _entry_fields(requester, camera)
        AuditEntry.objects.create(**fields)
        _windows[key] = _Window(fields, time.monotonic(), timezone.now())
        while len(_windows) > MAX_WINDOWS:
            _close(next(iter(_windows)))


def write_counts(include_open: bool = False) -> None:
    """Write the counts of windows that are over, or of all (at the end of the process).

    If a write raises, that window and the later ones are kept.
    """
    with _lock:
        for key, window in list(_windows.items()):
            if include_open or window.is_over():
                _close(key)


def _close(key: object) -> None:
    _windows[key].write()
    del _windows[key]


def _entry_fields(requester: Requester, camera: CameraLike) -> dict[str, Any]:
    return {
        **requester.as_fields(describe_credentials([requester.credential])),
        "organization": camera.organization,
        "organization_name": camera.organization.name,
        "subject": single_line(camera.name, 200),
        "camera_id": camera.pk,
        "action": Action.SNAPSHOT,
    }

"""Views of stills: a page loads them one after the other, which is one view, not hundreds.

A requester who loads stills of a camera without a pause of `open_views.SILENCE` has one `Viewing`
row, from the first still to the last (give or take `RENEW_S`). Loading stills renews it; the reaper
that closes the views of dead processes closes it.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict

from django.db.models.functions import Now

from project.accounts.access import describe_credentials
from project.audit.log import Action
from project.audit.models import CameraLike, Viewing, single_line
from project.audit.requesters import Requester, RequestOrScope

RENEW_S = 10.0
PROCESS = "stills"  # a name in place of a process: every process renews these rows
MAX_REMEMBERED = 4096  # the oldest is forgotten first, which costs one query

_renewed_at: OrderedDict[object, float] = OrderedDict()
_lock = threading.Lock()  # two concurrent first loads make one view


def log_still(origin: RequestOrScope, camera: CameraLike) -> None:
    """Log that a still is sent. Synchronous; queries the database at most once per `RENEW_S`."""
    requester = Requester.of(origin)
    pk = requester.user.pk if requester.user else None
    key = (pk, requester.address, camera.pk)
    if _is_fresh(key):  # checked before the lock, which may wait for another's query
        return
    with _lock:
        if _is_fresh(key):
            return
        _renew(requester, camera)
        _renewed_at[key] = time.monotonic()
        _renewed_at.move_to_end(key)
        while len(_renewed_at) > MAX_REMEMBERED:
            _renewed_at.popitem(last=False)


def _is_fresh(key: object) -> bool:
    return time.monotonic() - _renewed_at.get(key, -math.inf) < RENEW_S


def _renew(requester: Requester, camera: CameraLike) -> None:
    """Renew the heartbeat of the view's row; create the row if there is none."""
    existing = Viewing.objects.filter(
        process=PROCESS, user=requester.user, address=requester.address, camera_id=camera.pk
    )
    if not existing.update(seen_at=Now()):
        Viewing.objects.create(
            **requester.as_fields(describe_credentials([requester.credential])),
            organization=camera.organization,
            organization_name=camera.organization.name,
            subject=single_line(camera.name, 200),
            camera_id=camera.pk,
            action=Action.STILLS,
            process=PROCESS,
            seen_at=Now(),
        )

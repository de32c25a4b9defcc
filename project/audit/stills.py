"""Looking at stills: pages load one after the other, and that is one view, not hundreds.

Who loads stills of a camera, with no pause of `viewings.SILENCE`, has one row in the log, from the
first to the last (to `RENEW_S`). It is renewed by the loading itself, and closed by whoever closes
what the dead have left.
"""

from __future__ import annotations

import math
import threading
import time
from collections import OrderedDict

from django.db.models.functions import Now

from project.accounts.access import words_for
from project.audit.askers import Asker, Way
from project.audit.log import Action
from project.audit.models import Viewing, Watched, line

RENEW_S = 10.0
PROCESS = "stills"  # of no process: their signs of life are the loading itself
REMEMBER_MOST = 4096  # the oldest is forgotten first, which costs a query

_renewed: OrderedDict[object, float] = OrderedDict()
_lock = threading.Lock()  # two first loads at once are one view


def saw_still(way: Way, camera: Watched) -> None:
    """A still of a camera was given out. Synchronous; asks the database every `RENEW_S`."""
    asker = Asker.of(way)
    pk = asker.user.pk if asker.user else None
    key = (pk, asker.address, camera.pk)
    if _is_renewed(key):  # without waiting for another's query
        return
    with _lock:
        if _is_renewed(key):
            return
        _renew(asker, camera)
        _renewed[key] = time.monotonic()
        _renewed.move_to_end(key)
        while len(_renewed) > REMEMBER_MOST:
            _renewed.popitem(last=False)


def _is_renewed(key: object) -> bool:
    return time.monotonic() - _renewed.get(key, -math.inf) < RENEW_S


def _renew(asker: Asker, camera: Watched) -> None:
    """A sign of life in the row of the view, which is made where there is none."""
    open_ones = Viewing.objects.filter(
        process=PROCESS, user=asker.user, address=asker.address, camera_id=camera.pk
    )
    if not open_ones.update(seen_at=Now()):
        Viewing.objects.create(
            **asker.facts(words_for([asker.credential])),
            organization=camera.organization,
            organization_name=camera.organization.name,
            subject=line(camera.name, 200),
            camera_id=camera.pk,
            action=Action.STILLS,
            process=PROCESS,
            seen_at=Now(),
        )

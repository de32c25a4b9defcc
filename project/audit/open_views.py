"""Open views in the database: rows are created, joined and renewed, and become log entries.

A view is all that one credential sees of one camera, from one address, in one way (its action):
sockets, MJPEG streams, snapshots, stills, and pictures that are published. It lasts while
openings follow within `PAUSE`, in whichever process, and is one row with their number. A process
that dies just stops renewing: what it had open ends with its last heartbeat.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from django.db import connection, models, transaction
from django.db.models import F, Q
from django.db.models.functions import Greatest, Now

from project.accounts.credentials import Credential, Description, describe_credentials
from project.addresses import network_of, parse_address
from project.audit.log import Action
from project.audit.models import AuditEntry, CameraLike, Viewing, single_line
from project.audit.requesters import Requester

PAUSE = timedelta(seconds=60)  # without an opening, a view has ended
LONGEST = timedelta(days=1)  # a longer view gets an entry a day: the log never lags behind more
BATCH = 500  # rows in one statement
_IS_OVER = Q(seen_at__lt=Now() - PAUSE)
_IS_LONG = Q(started_at__lt=Now() - LONGEST)


@dataclass(frozen=True, slots=True)
class View:
    """One view. Its id is the same in every process; views are equal if their ids are."""

    id: uuid.UUID
    requester: Requester = field(compare=False)
    camera: CameraLike = field(compare=False)
    action: Action = field(compare=False)

    @classmethod
    def of(cls, requester: Requester, camera: CameraLike, action: Action) -> View:
        """Return the view that an opening belongs to. The camera's organization must be loaded.

        The id is a digest, because a session's key is a secret. Addresses of one IPv6 network (/64)
        count as one: a client can choose a new one each time.
        """
        address = parse_address(requester.address)
        network = network_of(address) if address else ""
        user = requester.user.pk if requester.user else ""
        parts = (*requester.holder, user, network, camera.pk, action)
        digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
        return cls(uuid.UUID(bytes=digest[:16]), requester, camera, action)

    def row(self, descriptions: Mapping[Credential, Description]) -> Viewing:
        """Return a new row of the view without openings, unsaved."""
        return Viewing(
            id=self.id,
            **self.requester.as_fields(descriptions),
            organization=self.camera.organization,
            organization_name=self.camera.organization.name,
            subject=single_line(self.camera.name, 200),
            camera_id=self.camera.pk,
            action=self.action,
            openings=0,
            seen_at=Now(),
        )


@transaction.atomic
def store(openings: Mapping[View, int]) -> None:
    """Renew the rows of views, add their new openings (0: it just goes on), create missing rows.

    A row that was not renewed for `PAUSE` becomes an entry first, and the view a new row.
    """
    views = sorted(openings, key=lambda view: view.id)
    for start in range(0, len(views), BATCH):
        batch = views[start : start + BATCH]
        rows = Viewing.objects.filter(pk__in=[view.id for view in batch])
        _end(rows.filter(_IS_OVER))
        known = set(rows.order_by("pk").select_for_update().values_list("pk", flat=True))
        _create([view for view in batch if view.id not in known])
        groups: dict[int, list[uuid.UUID]] = defaultdict(list)
        for view in batch:
            groups[openings[view]].append(view.id)
        for more, ids in groups.items():
            found = Viewing.objects.filter(pk__in=ids)
            # Never below 0: what a refused opening takes back may be in an entry already.
            found.update(seen_at=Now(), openings=Greatest(F("openings") + more, 0))


def _create(views: list[View]) -> None:
    """Create rows, and lock those that another process has just created."""
    descriptions = describe_credentials({view.requester.holder for view in views})
    Viewing.objects.bulk_create(
        [view.row(descriptions) for view in views],
        update_conflicts=True, unique_fields=["id"], update_fields=["seen_at"],
    )  # fmt: skip


def reap() -> int:
    """Write the entries of views that have ended, or lasted for `LONGEST`; return how many.

    The end is the last time that the view was seen. A view that still lasts keeps its row, which
    begins anew with no openings.
    """
    due, count = Viewing.objects.filter(_IS_OVER | _IS_LONG).order_by("seen_at"), 0
    while due.exists():
        with transaction.atomic():
            written = _end(due.all()[:BATCH])
        count += written
        if not written:  # another process has locked them
            break
    return count


def _end(viewings: models.QuerySet[Viewing]) -> int:
    """Write the entries of rows; then delete those that are over, and begin the others anew.

    Return how many there were. The row lock makes each row become one entry.
    """
    skip = connection.features.has_select_for_update_skip_locked
    found = list(viewings.select_for_update(skip_locked=skip))
    AuditEntry.objects.bulk_create([row.entry() for row in found if row.has_content])
    rows = Viewing.objects.filter(pk__in=[row.pk for row in found])
    rows.filter(_IS_OVER).delete()
    rows.update(started_at=F("seen_at"), openings=0)
    return len(found)

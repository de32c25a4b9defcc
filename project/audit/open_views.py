"""Open views in the database: create rows, renew their heartbeats, turn them into log entries."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from typing import TypeVar

from django.db import connection, models, transaction
from django.db.models.functions import Now
from django.utils import timezone

from project.accounts.access import Credential, Description, describe_credentials
from project.audit.log import Action
from project.audit.models import AuditEntry, CameraLike, Viewing, single_line
from project.audit.requesters import Requester

T = TypeVar("T")

SILENCE = timedelta(seconds=40)  # without a heartbeat, the process counts as dead
BATCH = 500  # rows in one statement


@cache
def process_name() -> str:
    """Return a globally unique name of this process. Do not call it before a fork."""
    return f"{os.uname().nodename[:60]}/{os.getpid()}/{uuid.uuid4().hex}"


class View:
    """One view of one camera. The future `recorded` is done when its row is stored."""

    __slots__ = (
        "action", "camera", "ended_at", "id", "recorded", "refused", "requester", "started_at",
    )  # fmt: skip

    def __init__(self, requester: Requester, camera: CameraLike, action: Action) -> None:
        self.id = uuid.uuid4()
        self.requester, self.camera, self.action = requester, camera, action
        self.started_at = timezone.now()
        self.ended_at: datetime | None = None
        self.recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.refused = False

    def end(self) -> bool:
        """Set the end; return False if the view ended before or never began."""
        if self.ended_at is not None or self.refused:
            return False
        self.ended_at = timezone.now()
        return True

    def admit(self) -> None:
        """Report that the row is stored."""
        if not self.recorded.done():
            self.recorded.set_result(None)

    def refuse(self, error: Exception) -> None:
        """Report that the row could not be stored."""
        self.refused = True
        if not self.recorded.done():
            self.recorded.set_exception(error)

    def row(self, descriptions: Mapping[Credential, Description]) -> Viewing:
        """Return the row of the view, unsaved."""
        return Viewing(
            id=self.id,
            **self.requester.as_fields(descriptions),
            organization=self.camera.organization,
            organization_name=self.camera.organization.name,
            subject=single_line(self.camera.name, 200),
            camera_id=self.camera.pk,
            action=self.action,
            process=process_name(),
            started_at=self.started_at,
            seen_at=Now(),
        )


@transaction.atomic
def record(begun: Sequence[View], ended: Sequence[View]) -> None:
    """Create the rows of views that begin; replace the rows of views that ended by entries.

    A view that is in both gets an entry and no row.
    """
    descriptions = describe_credentials({view.requester.credential for view in begun})
    rows = {view.id: view.row(descriptions) for view in begun}
    ends = {view.id: view.ended_at for view in ended if view.ended_at and not view.refused}
    Viewing.objects.bulk_create([row for pk, row in rows.items() if pk not in ends])
    brief = [rows[pk].entry(ended_at) for pk, ended_at in ends.items() if pk in rows]
    AuditEntry.objects.bulk_create(brief)
    for batch in _batches(ends.keys() - rows.keys()):
        _close(Viewing.objects.filter(pk__in=batch), ends)


def _close(viewings: models.QuerySet[Viewing], ends: Mapping[uuid.UUID, datetime] | None) -> int:
    """Replace rows by entries and return how many. The row lock makes each row become one entry.

    `ends` are the times of the ends; None means the last heartbeat of each row.
    """
    skip = ends is None and connection.features.has_select_for_update_skip_locked
    found = list(viewings.select_for_update(skip_locked=skip))
    Viewing.objects.filter(pk__in=[row.pk for row in found]).delete()
    AuditEntry.objects.bulk_create(
        [row.entry(ends[row.pk] if ends is not None else row.seen_at) for row in found]
    )
    return len(found)


@transaction.atomic
def renew(views: Collection[View]) -> None:
    """Renew the heartbeat of this process's rows, and make the rows match `views`.

    If another process closed the row of an open view, because this one seemed dead, the view gets a
    new row. A row without a view is left over from a commit whose confirmation was lost: its viewer
    was refused, so the row is deleted.
    """
    mine = Viewing.objects.filter(process=process_name())
    known = set(mine.values_list("pk", flat=True))
    lost = [view for view in views if view.id not in known and view.ended_at is None]
    for batch in _batches(known - {view.id for view in views}):
        Viewing.objects.filter(pk__in=batch).delete()
    descriptions = describe_credentials({view.requester.credential for view in lost})
    for view in lost:
        view.id, view.started_at = uuid.uuid4(), timezone.now()
    Viewing.objects.bulk_create([view.row(descriptions) for view in lost])
    mine.update(seen_at=Now())


def reap() -> int:
    """Close the views of processes without a heartbeat for `SILENCE`; return how many.

    Their end is the last heartbeat.
    """
    dead = Viewing.objects.filter(seen_at__lt=Now() - SILENCE).order_by("seen_at")
    count = 0
    while dead.exists():
        with transaction.atomic():
            closed = _close(dead.all()[:BATCH], None)
        count += closed
        if not closed:  # another process has locked them
            break
    return count


def _batches(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, BATCH)):
        yield batch

"""Open views as rows: made, renewed, turned into entries of the log."""

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

from project.accounts.access import Words, words_for
from project.audit.askers import Asker
from project.audit.log import Action
from project.audit.models import AuditEntry, Viewing, Watched, line

T = TypeVar("T")

SILENCE = timedelta(seconds=40)  # of a process, after which its views count as over
BATCH = 500  # rows that one statement names


@cache
def process() -> str:
    """A name for this process that no other ever had. Not before a fork."""
    return f"{os.uname().nodename[:60]}/{os.getpid()}/{uuid.uuid4().hex}"


class View:
    """One view of one camera. `recorded` is done once its row is there."""

    __slots__ = ("action", "asker", "camera", "ended_at", "id", "recorded", "refused", "started_at")

    def __init__(self, asker: Asker, camera: Watched, action: Action) -> None:
        self.id = uuid.uuid4()
        self.asker, self.camera, self.action = asker, camera, action
        self.started_at = timezone.now()
        self.ended_at: datetime | None = None
        self.recorded: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.refused = False

    def end(self) -> bool:
        """False where it had ended, or never began."""
        if self.ended_at is not None or self.refused:
            return False
        self.ended_at = timezone.now()
        return True

    def admit(self) -> None:
        if not self.recorded.done():
            self.recorded.set_result(None)

    def refuse(self, error: Exception) -> None:
        self.refused = True
        if not self.recorded.done():
            self.recorded.set_exception(error)

    def row(self, words: Mapping[tuple[str, str], Words]) -> Viewing:
        """Not saved."""
        return Viewing(
            id=self.id,
            **self.asker.facts(words),
            organization=self.camera.organization,
            organization_name=self.camera.organization.name,
            subject=line(self.camera.name, 200),
            camera_id=self.camera.pk,
            action=self.action,
            process=process(),
            started_at=self.started_at,
            seen_at=Now(),
        )


@transaction.atomic
def record(begun: Sequence[View], ended: Sequence[View]) -> None:
    """Make the rows of views that begin; turn those of views that end into entries."""
    words = words_for({view.asker.credential for view in begun})
    rows = {view.id: view.row(words) for view in begun}
    over = {view.id: view.ended_at for view in ended if view.ended_at and not view.refused}
    Viewing.objects.bulk_create([row for pk, row in rows.items() if pk not in over])
    brief = [rows[pk].entry(ended_at) for pk, ended_at in over.items() if pk in rows]
    AuditEntry.objects.bulk_create(brief)
    for some in _batches(over.keys() - rows.keys()):
        _close(Viewing.objects.filter(pk__in=some), over)


def _close(viewings: models.QuerySet[Viewing], ends: Mapping[uuid.UUID, datetime] | None) -> int:
    """Turn rows into entries, each once: who finds the row gone comes too late."""
    skip = ends is None and connection.features.has_select_for_update_skip_locked
    found = list(viewings.select_for_update(skip_locked=skip))
    Viewing.objects.filter(pk__in=[row.pk for row in found]).delete()
    AuditEntry.objects.bulk_create(
        [row.entry(ends[row.pk] if ends is not None else row.seen_at) for row in found]
    )
    return len(found)


@transaction.atomic
def beat(views: Collection[View]) -> None:
    """Renew the rows of this process, which are to be those of `views`.

    A view whose row was closed, since we were thought dead, goes on under a row of its own. A row
    of no view is left of a commit whose answer was lost: nobody was let in by it.
    """
    mine = Viewing.objects.filter(process=process())
    known = set(mine.values_list("pk", flat=True))
    lost = [view for view in views if view.id not in known and view.ended_at is None]
    for some in _batches(known - {view.id for view in views}):
        Viewing.objects.filter(pk__in=some).delete()
    words = words_for({view.asker.credential for view in lost})
    for view in lost:
        view.id, view.started_at = uuid.uuid4(), timezone.now()
    Viewing.objects.bulk_create([view.row(words) for view in lost])
    mine.update(seen_at=Now())


def reap() -> int:
    """Close the views of processes that were silent for `SILENCE`; how many.

    They ended, as far as is known, at the last sign of life.
    """
    dead = Viewing.objects.filter(seen_at__lt=Now() - SILENCE).order_by("seen_at")
    count = 0
    while dead.exists():
        with transaction.atomic():
            closed = _close(dead.all()[:BATCH], None)
        count += closed
        if not closed:  # another process is at it
            break
    return count


def _batches(of: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(of)
    while some := list(islice(rest, BATCH)):
        yield some

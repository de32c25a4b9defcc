"""The log as a file, and the trace that who reads it leaves in it."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime, timedelta

from channels.db import database_sync_to_async
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from project.accounts.models import Organization, User
from project.audit.log import Action, note
from project.audit.models import AuditEntry, AuditEntryQuerySet, line

SAME_READING = timedelta(minutes=1)
CHUNK = 500  # entries that are in memory at a time
ASK_S = 0.02  # how often it is asked whether the reader has taken what it was sent
COLUMNS = (
    "when (UTC)", "who", "by", "from", "organization", "action", "what", "camera", "detail",
    "began (UTC)", "ended (UTC)", "seconds",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run


def note_reading(
    request: HttpRequest, asked: str, organization: Organization | None, *, export: bool = False
) -> None:
    """Reading is a deed as well. Turning pages of the same list within a minute is one of them;
    each export is one."""
    action = Action.EXPORT_LOG if export else Action.READ_LOG
    subject = line(asked or "everything", 200)
    if not export:
        assert isinstance(request.user, User)
        since = timezone.now() - SAME_READING
        mine = AuditEntry.objects.filter(user=request.user, action=action, at__gte=since)
        if mine.filter(subject=subject, organization=organization).exists():
            return
    note(request, action, subject, organization)


def as_file(
    request: HttpRequest, entries: AuditEntryQuerySet, name: str, may_read: Callable[[], bool]
) -> StreamingHttpResponse:
    """All of them as CSV, newest first, a piece at a time and no faster than it is read.

    `may_read` is asked of the database before each piece; the file ends where it says no.
    """
    extensions = getattr(request, "scope", {}).get("extensions", {})
    response = StreamingHttpResponse(
        _pieces(entries, may_read, extensions.get("sideline.waiting")),
        content_type="text/csv; charset=utf-8",
    )
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _pieces(
    entries: AuditEntryQuerySet, may_read: Callable[[], bool], waiting: Callable[[], int] | None
) -> AsyncIterator[bytes]:
    """Nothing that is written meanwhile: it begins with the newest entry, and goes back."""
    yield "\ufeff".encode() + as_lines([COLUMNS])  # else a spreadsheet takes it for Latin-1
    newest_first = entries.order_by("-pk")
    rest = newest_first

    def piece() -> list[AuditEntry]:
        return list(rest[:CHUNK]) if may_read() else []

    while some := await database_sync_to_async(piece)():
        yield as_lines(map(_cells, some))
        rest = newest_first.filter(pk__lt=some[-1].pk)
        await asyncio.sleep(0)
        while waiting is not None and waiting():
            await asyncio.sleep(ASK_S)


def as_lines(rows: Iterable[Iterable[object]]) -> bytes:
    """Rows of CSV, each cell in quotes, and none a formula."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    for row in rows:
        cells = ("" if cell is None else str(cell) for cell in row)
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    return out.getvalue().encode()


def _cells(entry: AuditEntry) -> tuple[object, ...]:
    lasted = entry.duration
    return (
        _time(entry.at), entry.who, entry.via, entry.address, entry.organization_name,
        entry.action, entry.subject, entry.camera_id, entry.detail, _time(entry.started_at),
        _time(entry.ended_at), None if lasted is None else int(lasted.total_seconds()),
    )  # fmt: skip


def _time(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%d %H:%M:%S}"

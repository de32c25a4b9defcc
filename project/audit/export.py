"""The audit log as CSV, and the log entry for reading or exporting the log."""

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
from project.audit.log import Action, log_action
from project.audit.models import AuditEntry, AuditEntryQuerySet, single_line

SAME_READING = timedelta(minutes=1)
CHUNK = 500  # entries in memory at a time
POLL_S = 0.02  # how often to check whether the client has read what was sent
COLUMNS = (
    "when (UTC)", "who", "by", "from", "organization", "action", "what", "camera", "detail",
    "began (UTC)", "ended (UTC)", "seconds", "times",
)  # fmt: skip
_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")  # cells that a spreadsheet would evaluate


def log_reading(
    request: HttpRequest, query: str, organization: Organization | None, *, export: bool = False
) -> None:
    """Write an entry for a reading of the log.

    Pages of the same list within a minute make one entry; every export makes one.
    """
    action = Action.EXPORT_LOG if export else Action.READ_LOG
    subject = single_line(query or "everything", 200)
    if not export:
        assert isinstance(request.user, User)
        since = timezone.now() - SAME_READING
        recent = AuditEntry.objects.filter(user=request.user, action=action, at__gte=since)
        if recent.filter(subject=subject, organization=organization).exists():
            return
    log_action(request, action, subject, organization)


def csv_response(
    request: HttpRequest, entries: AuditEntryQuerySet, name: str, may_read: Callable[[], bool]
) -> StreamingHttpResponse:
    """Stream all entries as CSV, newest first, no faster than the client reads.

    `may_read` is called before each chunk, in a database thread; the file ends when it returns
    False.
    """
    extensions = getattr(request, "scope", {}).get("extensions", {})
    response = StreamingHttpResponse(
        _chunks(entries, may_read, extensions.get("sideline.waiting")),
        content_type="text/csv; charset=utf-8",
    )
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _chunks(
    entries: AuditEntryQuerySet,
    may_read: Callable[[], bool],
    unsent_bytes: Callable[[], int] | None,
) -> AsyncIterator[bytes]:
    """Yield chunks by descending id, so entries written meanwhile are not included."""
    yield "\ufeff".encode() + encode_rows([COLUMNS])  # without the BOM, Excel assumes Latin-1
    newest_first = entries.order_by("-pk")
    rest = newest_first

    def next_entries() -> list[AuditEntry]:
        return list(rest[:CHUNK]) if may_read() else []

    while chunk := await database_sync_to_async(next_entries)():
        yield encode_rows(map(_cells, chunk))
        rest = newest_first.filter(pk__lt=chunk[-1].pk)
        await asyncio.sleep(0)
        while unsent_bytes is not None and unsent_bytes():
            await asyncio.sleep(POLL_S)


def encode_rows(rows: Iterable[Iterable[object]]) -> bytes:
    """Encode rows as CSV. All cells are quoted, and none is a formula."""
    out = io.StringIO()
    writer = csv.writer(out, quoting=csv.QUOTE_ALL)
    for row in rows:
        texts = ("" if cell is None else str(cell) for cell in row)
        writer.writerow([f"'{text}" if text.startswith(_FORMULA_PREFIXES) else text
                         for text in texts])  # fmt: skip
    return out.getvalue().encode()


def _cells(entry: AuditEntry) -> tuple[object, ...]:
    duration = entry.duration
    return (
        _utc_text(entry.at), entry.who, entry.via, entry.address, entry.organization_name,
        entry.action, entry.subject, entry.camera_id, entry.detail, _utc_text(entry.started_at),
        _utc_text(entry.ended_at), None if duration is None else int(duration.total_seconds()),
        entry.openings,
    )  # fmt: skip


def _utc_text(at: datetime | None) -> str | None:
    return None if at is None else f"{at:%Y-%m-%d %H:%M:%S}"

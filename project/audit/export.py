"""The audit log as CSV."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable, Iterable
from datetime import datetime

from channels.db import database_sync_to_async
from django.http import HttpRequest, StreamingHttpResponse

from project.audit.models import AuditEntry, AuditEntryQuerySet

CHUNK = 500  # entries in memory at a time
POLL_S = 0.02  # how often to check whether the client has read what was sent
COLUMNS = (
    "when (UTC)", "who", "by", "from", "organization", "action", "what", "camera", "detail",
    "began (UTC)", "ended (UTC)", "seconds", "times",
)  # fmt: skip
_FORMULA_PREFIXES = ("=", "+", "-", "@", "\t", "\r")  # cells that a spreadsheet would evaluate


def csv_response(
    request: HttpRequest, entries: Callable[[], AuditEntryQuerySet], name: str
) -> StreamingHttpResponse:
    """Stream all entries as CSV, newest first, no faster than the client reads.

    `entries` is called before each chunk, in a database thread: the file ends when it returns none,
    because the reader lost the right.
    """
    extensions = getattr(request, "scope", {}).get("extensions", {})
    response = StreamingHttpResponse(
        _chunks(entries, extensions.get("sideline.waiting")),
        content_type="text/csv; charset=utf-8",
    )
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response["Cache-Control"] = "private, no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


async def _chunks(
    entries: Callable[[], AuditEntryQuerySet], unsent_bytes: Callable[[], int] | None
) -> AsyncIterator[bytes]:
    """Yield chunks by descending id, so entries written meanwhile are not included."""
    yield "\ufeff".encode() + encode_rows([COLUMNS])  # without the BOM, Excel assumes Latin-1

    def chunk_before(last: AuditEntry | None) -> list[AuditEntry]:
        rest = entries() if last is None else entries().filter(pk__lt=last.pk)
        return list(rest.order_by("-pk")[:CHUNK])

    last = None
    while chunk := await database_sync_to_async(chunk_before)(last):
        yield encode_rows(map(_cells, chunk))
        last = chunk[-1]
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

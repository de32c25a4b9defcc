"""The database's clock: the hosts' own differ, so none of them judges how old a row is by its own.

Rows are stamped by `django.db.models.functions.Now`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.utils import timezone

READ_S = 5.0  # how long a reading is continued by the monotonic clock

_reading: tuple[float, datetime] | None = None  # monotonic seconds, and the database's time then


def database_now() -> datetime:
    """Return the database's time, read at most every `READ_S`. SQLite has that of this host."""
    global _reading
    if connection.vendor == "sqlite":
        return timezone.now()
    reading, now = _reading, time.monotonic()
    if reading is None or now - reading[0] > READ_S:
        with connection.cursor() as cursor:
            cursor.execute("SELECT statement_timestamp()")
            reading = _reading = now, cursor.fetchone()[0].astimezone(UTC)
    return reading[1] + timedelta(seconds=now - reading[0])

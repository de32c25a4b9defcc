"""Reads the audit log of a running installation from its database."""

from __future__ import annotations

import sqlite3
import uuid
from contextlib import closing
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from tests.installation import Installation

COLUMNS = "id, who, via, host(address) AS address, action, subject, camera_id, started_at, openings"


def ask(installation: Installation, sql: str) -> list[dict[str, Any]]:
    """Execute and commit a statement; return its rows. Times are aware, camera ids are UUIDs."""
    if url := installation.environment.get("DATABASE_URL"):
        with psycopg.connect(url, row_factory=dict_row) as connection:
            cursor = connection.execute(sql)  # type: ignore[call-overload]
            return list(cursor) if cursor.description else []
    sql = sql.replace("host(address)", "address")
    with closing(
        sqlite3.connect(installation.folder / "sideline.sqlite3", timeout=20)
    ) as connection:
        connection.row_factory = sqlite3.Row
        rows = [dict(row) for row in connection.execute(sql)]
        connection.commit()
    return [{name: _convert(name, value) for name, value in row.items()} for row in rows]


def entries(installation: Installation, camera: str, action: str = "watch") -> list[dict[str, Any]]:
    """Return the log entries of a camera, oldest first."""
    rows = ask(installation, f"SELECT {COLUMNS}, at, ended_at FROM audit_auditentry ORDER BY id")
    return [r for r in rows if r["camera_id"] == uuid.UUID(camera) and r["action"] == action]


def open_views(installation: Installation, camera: str) -> list[dict[str, Any]]:
    """Return the views of a camera that have no entry yet."""
    rows = ask(installation, f"SELECT {COLUMNS}, seen_at FROM audit_viewing ORDER BY started_at")
    return [row for row in rows if row["camera_id"] == uuid.UUID(camera)]


def view_of(
    installation: Installation, camera: str, who: str, action: str = "watch"
) -> dict[str, Any]:
    """Return the view of one user or key that has no entry yet; an empty dict without one."""
    found = [row for row in open_views(installation, camera)
             if (row["who"], row["action"]) == (who, action)]  # fmt: skip
    assert len(found) <= 1, "one row a view"
    return found[0] if found else {}


def age_views(installation: Installation, seconds: int, who: str = "%") -> None:
    """Make views that have no entry yet older: those of a user or key, or all."""
    for column in ("started_at", "seen_at"):
        if installation.environment.get("DATABASE_URL"):
            shift = f"{column} - interval '{seconds} seconds'"
        else:
            shift = f"strftime('%Y-%m-%d %H:%M:%f', {column}, '-{seconds} seconds')"
        ask(installation, f"UPDATE audit_viewing SET {column} = {shift} WHERE who LIKE '{who}'")


def _convert(name: str, value: Any) -> Any:
    if name == "camera_id" and value:
        return uuid.UUID(value)
    if name.endswith("_at") or name == "at":
        return datetime.fromisoformat(value + "+00:00") if value else None
    return value

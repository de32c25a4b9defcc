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

COLUMNS = "id, who, via, host(address) AS address, action, subject, camera_id, started_at"


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
    """Return the open views of a camera."""
    rows = ask(
        installation, f"SELECT {COLUMNS}, process, seen_at FROM audit_viewing ORDER BY started_at"
    )
    return [row for row in rows if row["camera_id"] == uuid.UUID(camera)]


def _convert(name: str, value: Any) -> Any:
    if name == "camera_id" and value:
        return uuid.UUID(value)
    if name.endswith("_at") or name == "at":
        return datetime.fromisoformat(value + "+00:00") if value else None
    return value

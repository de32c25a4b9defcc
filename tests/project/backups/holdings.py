"""Reads the rows of an installation, and makes backups."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass
from pathlib import Path

from tests.installation import Installation

SOURCE = "rtsp://viewer:hunter2@127.0.0.1:9/stream1"
FILM = b"not really a film" * 1000
KEYS = ("secret.key", "field.key")

_ROWS = """
import json
from django.db import connection
connection.check_constraints()
found = {}
with connection.cursor() as cursor:
    if connection.vendor == "sqlite":
        assert cursor.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for table in connection.introspection.table_names():
        cursor.execute(f'SELECT * FROM "{table}"')
        found[table] = [
            "|".join(str(len(v) if isinstance(v, bytes | memoryview) else v) for v in row)
            for row in cursor.fetchall()
        ]
print("ROWS" + json.dumps(found))
"""
CHANGE_OF_THE_LOG = """
from django.db import Error
from project.audit.models import AuditEntry
from django.db import connection
try:
    connection.cursor().execute("UPDATE audit_auditentry SET who = 'nobody'")
except Error as error:
    print(error)
"""

_QUIET = """
from django.utils import timezone
from cameras.models import *
from project.accounts.models import *
from project.audit.models import *
from chats.models import *
club, keeper = Organization.objects.get(), User.objects.get()
gate = Camera(organization=club, name="Gate", kind="rtsp")
gate.source = "{source}"
gate.save()
StreamKey(camera=gate, name="TV").issue()
chat = Chat.objects.create(organization=club, owner=keeper, title="Plays")
prompt = Message.objects.create(chat=chat, role="user", content="Hello?")
answer = Message.objects.create(
    chat=chat, parent=prompt, role="assistant", status="complete", content="Hello."
)
Generation.objects.create(message=answer, chat=chat, user=keeper, organization=club,
    status="complete", process="", day=timezone.now().date(), finished_at=timezone.now())
Chat.objects.filter(pk=chat.pk).update(leaf=answer)
weights = Weights.objects.create(organization=club, name="Own", size=1)
WeightsPart.objects.create(weights=weights, number=0, data=b"weights")
print("MADE", gate.pk, chat.pk)
"""

Rows = dict[str, list[str]]


@dataclass(frozen=True, slots=True)
class Quiet:
    """An installation without writers, its backup with keys, and its rows."""

    installation: Installation
    file: Path
    rows: Rows
    gate: str
    chat: str


def quiet_rows(installation: Installation) -> tuple[str, str]:
    """Create rows of several kinds; return the ids of a camera and a chat."""
    installation.prepare()
    printed = installation.manage("shell", "-v0", "-c", _QUIET.format(source=SOURCE))
    gate, chat = printed.partition("MADE")[2].split()
    return gate, chat


def rows(installation: Installation) -> Rows:
    """Return all rows of all tables as text. Asserts the integrity of the database."""
    printed = installation.manage("shell", "-v0", "-c", _ROWS)
    found: Rows = json.loads(printed.partition("ROWS")[2])
    return found


def backup(installation: Installation, name: str, *options: str) -> Path:
    """Make a backup, next to the data folder."""
    file = installation.folder.parent / name
    installation.manage("backup", str(file), *options)
    return file


def mode(path: Path) -> int:
    """Return the permission bits of a file."""
    return stat.S_IMODE(path.stat().st_mode)

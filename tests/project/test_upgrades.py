"""Data of the first release survives the migrations after it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installation import Installation
from tests.project.audit.reading import ask

_ROWS = """
from chats.models import *
from project.accounts.models import *
from project.audit.models import AuditEntry
club = Organization.objects.create(name="Club", slug="club")
anna = User.objects.create_user("anna")
chat = Chat.objects.create(organization=club, owner=anna, title="Old")
asked = Message.objects.create(chat=chat, role="user", content="Grüße")
Message.objects.create(chat=chat, parent=asked, role="assistant", content="x" * 100)
Assistant.objects.create(organization=club, daily_tokens=None, daily_tokens_each=500)
AuditEntry.objects.create(who="anna", action="watch", subject="Gate")
"""
_OPEN_VIEW = """
INSERT INTO audit_viewing (id, who, via, organization_name, subject, action, process, started_at,
  seen_at) VALUES ('00000000000000000000000000000001', 'bert', '', '', 'Gate', 'watch', 'gone',
  '2026-01-01 10:00:00', '2026-01-01 10:30:00')
"""
_LOOK = """
from django.db import DatabaseError, connection
from chats.models import *
from chats.models.storage import stored_bytes
from project.accounts.models import *
from project.audit.models import AuditEntry, Viewing
from project.audit.open_views import reap
club = Organization.objects.get()
limits = Assistant.of(club)
print("TEXT", [message.content[:5] for message in Message.objects.order_by("role")])
print("BYTES", stored_bytes(club))
each = limits.daily_tokens_each
print("LIMITS", limits.daily_tokens, each, limits.storage_mb, limits.storage_mb_each)
print("REAPED", reap())
print("LOG", [(e.who, e.openings, e.duration) for e in AuditEntry.objects.order_by("pk")])
try:
    connection.cursor().execute("UPDATE audit_auditentry SET who = 'nobody'")
except DatabaseError:
    print("REFUSED")
"""


@pytest.mark.extended
@pytest.mark.postgres
def test_messages_limits_and_open_views_survive_an_upgrade(folder: Path) -> None:
    old = Installation(folder)
    old.manage("migrate", "-v0")
    old.manage("shell", "-v0", "-c", _ROWS)
    for app in ("chats", "audit"):
        old.manage("migrate", app, "0001_initial", "-v0")
    ask(old, _OPEN_VIEW)
    old.manage("migrate", "-v0")
    found = old.manage("shell", "-v0", "-c", _LOOK)
    assert "TEXT ['xxxxx', 'Grüße']" in found
    assert "BYTES 107" in found
    assert "LIMITS None 500 2048 64" in found
    assert "REAPED 1" in found
    assert "('anna', None, None), ('bert', 1, datetime.timedelta(seconds=1800))" in found
    assert "REFUSED" in found

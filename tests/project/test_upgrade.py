"""An installation of an earlier version, with rows in it, brought up to this one."""

from __future__ import annotations

import json
from pathlib import Path

from tests.installation import Installation

# As it was before the gate: rows of all kinds that the migrations since have changed.
_BEFORE = """
from datetime import timedelta
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
state = MigrationExecutor(connection).loader.project_state([("cameras", "0003_audit")])
row = lambda model, **facts: state.apps.get_model("cameras", model).objects.create(**facts)
club = row("Organization", name="Club", slug="club")
user = row("User", username="coach", password="unusable", is_active=True)
row("Membership", user=user, organization=club, role="admin")
for number in range(3):
    row("Token", digest=str(number) * 128, token_key=str(number) * 15, user=user,
        organization=club, scopes=["read"], expiry=timezone.now() + timedelta(days=1))
camera = row("Camera", organization=club, name="Gate", kind="push")
row("StreamKey", camera=camera, name="TV", digest="d" * 64)
row("AuditEntry", user=user, who="coach", organization=club, action="read chat", subject="x")
"""
_AFTER = """
import json
from cameras.models import *
tokens = list(Token.objects.alive())
entry = AuditEntry.objects.get(subject="x")
print("TOLD" + json.dumps(dict(
    tokens=len(tokens), uids=len({str(one.uid) for one in tokens}),
    parents=[one.parent_id for one in tokens], masks=Camera.objects.get().masks,
    keys=StreamKey.objects.alive().count(), days=Organization.objects.get(slug="club").audit_days,
    who=entry.who, organization=entry.organization.slug, at=entry.at.isoformat())))
"""


def test_rows_of_an_earlier_version_come_along(folder: Path) -> None:
    house = Installation(folder)
    house.manage("migrate", "cameras", "0003_audit", "-v0")
    house.manage("shell", "-v0", "-c", _BEFORE)
    house.manage("migrate", "-v0")
    told = house.manage("shell", "-v0", "-c", _AFTER).partition("TOLD")[2]
    found = json.loads(told)
    assert (found["tokens"], found["uids"], found["keys"]) == (3, 3, 1)
    assert found["parents"] == [None] * 3
    assert found["masks"] == []
    assert found["days"] == 365
    assert (found["who"], found["organization"]) == ("coach", "club")
    house.manage("check")

"""An installation of an earlier version, with rows in it, brought up to this one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.installation import installed
from tests.project.backups.holdings import CHANGE_OF_THE_LOG

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


@pytest.mark.extended
@pytest.mark.postgres
@pytest.mark.timeout(300)
def test_backup_of_an_earlier_version_is_brought_up_to_this_one(
    folder: Path, tmp_path: Path
) -> None:
    old, new = folder / "old", folder / "new"
    old.mkdir()
    new.mkdir()
    with installed(old) as house:
        house.manage("migrate", "cameras", "0003_audit", "-v0")
        house.manage("shell", "-v0", "-c", _BEFORE)
        said = house.manage("backup", str(tmp_path / "old.tar"), "--with-keys")
        assert "Not in the audit log" in said
    with installed(new) as house:
        said = house.manage("restore", str(tmp_path / "old.tar"))
        assert "Restored what was backed up on" in said
        assert house.manage("migrate", "--check") == ""  # it fails where one waits
        told = house.manage("shell", "-v0", "-c", _AFTER + CHANGE_OF_THE_LOG)
    assert "append-only" in told
    found = json.loads(told.partition("TOLD")[2].splitlines()[0])
    assert (found["tokens"], found["uids"], found["keys"]) == (3, 3, 1)
    assert found["parents"] == [None] * 3
    assert found["masks"] == []
    assert found["days"] == 365
    assert (found["who"], found["organization"]) == ("coach", "club")

"""Upgrade of an installation of the first release: its tokens and one-time links."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installation import installed

# The digests are those of the texts that the names say.
OLD_ROWS = """
import hashlib
from datetime import timedelta
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone
state = MigrationExecutor(connection).loader.project_state(
    ("accounts", "0002_membership_of_tokens_and_invitations"))
rows = lambda name: state.apps.get_model("accounts", name).objects
now, soon = timezone.now(), timezone.now() + timedelta(days=3)
club = rows("Organization").create(name="Club", slug="club")
host, former = (rows("User").create(username=name) for name in ("host", "former"))
rows("Membership").create(user=host, organization=club, role="admin")
of = lambda text: hashlib.sha256(text.encode()).hexdigest()
invite = lambda text, maker=host, **fields: rows("Invitation").create(
    name=text, digest=of(text), organization=club, created_by=maker, expires_at=soon, **fields)
invite("open")
invite("former", former)
invite("used", accepted_at=now, accepted_by=former)
invite("revoked", revoked_at=now)
rows("SignInLink").create(digest=of("unused"), user=host, expires_at=soon)
rows("SignInLink").create(digest=of("gone"), user=host, expires_at=soon, used_at=now)
for user in (host, former):
    rows("Token").create(
        user=user, organization=club, scopes=["read"], digest=of(user.username), name="TV")
"""
NEW_ROWS = """
for name in ("open", "former", "used", "revoked", "guess"):
    link = Invitation.objects.find_known(name)
    print(name, link and link.is_open)
for name in ("unused", "gone"):
    print(name, SignInLink.objects.find_known(name).is_open)
for token in Token.objects.order_by("pk"):
    print(token.user, token.membership)
"""


@pytest.mark.extended
@pytest.mark.postgres
def test_open_links_and_tokens_of_members_stay_valid(tmp_path: Path) -> None:
    with installed(tmp_path) as installation:
        installation.manage("migrate", "-v0")
        installation.manage("migrate", "accounts", "0002", "-v0")
        installation.manage("shell", "-v0", "-c", OLD_ROWS)
        installation.manage("migrate", "-v0")
        assert installation.manage("shell", "-v0", "-c", NEW_ROWS).splitlines() == [
            "open True",
            "former False",
            "used False",
            "revoked False",
            "guess None",
            "unused True",
            "gone False",
            "former None",
            "host host, administrator of Club",
        ]

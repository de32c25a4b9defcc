"""Data of a version before the first release is recognised and not changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installation import installed

COMMANDS = (
    ("serve", "--prepare"), ("serve",), ("migrate",), ("ingest",), ("prune",), ("signinlink",),
    ("resealsources",),
)  # fmt: skip
MESSAGE = "from before the first release"
# Creates the migration records of such a version.
_OLD = """
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
recorder = MigrationRecorder(connection)
for name in ("0001_initial", "0007_mask_changes"):
    recorder.record_applied("cameras", name)
"""
_TABLES = "from django.db import connection; print(*connection.introspection.table_names())"


@pytest.mark.postgres
def test_data_of_unreleased_versions_is_refused_with_a_sentence(
    folder: Path, tmp_path: Path
) -> None:
    with installed(folder) as installation:
        installation.manage("shell", "-v0", "-c", _OLD)
        for command in (*COMMANDS, ("backup", str(tmp_path / "old.tar"), "--with-keys")):
            output = installation.manage(*command, check=False)
            assert MESSAGE in output
            assert "Traceback" not in output
        tables = installation.manage("shell", "-v0", "-c", _TABLES)
        assert tables.split() == ["django_migrations"]

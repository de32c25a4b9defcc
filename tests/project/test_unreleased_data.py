"""Data of a version from before the first release: recognised, and left as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.installation import installed

SAID = "from before the first release"
# What the database of such a version had.
_OLD = """
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
recorder = MigrationRecorder(connection)
for name in ("0001_initial", "0007_mask_changes"):
    recorder.record_applied("cameras", name)
"""
_TABLES = "from django.db import connection; print(*connection.introspection.table_names())"


@pytest.mark.postgres
def test_data_from_before_the_first_release_is_refused_with_a_sentence(folder: Path) -> None:
    with installed(folder) as installation:
        installation.manage("shell", "-v0", "-c", _OLD)
        for command in (("serve", "--prepare"), ("serve",), ("migrate",)):
            said = installation.manage(*command, check=False)
            assert SAID in said
            assert "Traceback" not in said
        tables = installation.manage("shell", "-v0", "-c", _TABLES)
        assert tables.split() == ["django_migrations"]

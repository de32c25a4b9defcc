"""Commands say in a sentence that the database has no tables yet, or lacks some."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from tests.installation import installed

SENTENCE = "serve --prepare"


def test_server_on_an_empty_database_says_what_to_run_and_prints_no_address(folder: Path) -> None:
    with installed(folder) as installation:
        assert installation.spawn("serve").wait(60) == 1
        (line,) = installation.logged().splitlines()
        assert SENTENCE in line
        assert "Sideline is at" not in line


@pytest.mark.django_db
@pytest.mark.postgres
@pytest.mark.parametrize("command", ["ingest", "prune", "signinlink", "resealsources"])
def test_command_on_an_older_database_says_what_to_run(command: str) -> None:
    (newest,) = MigrationExecutor(connection).loader.graph.leaf_nodes("chats")
    MigrationRecorder(connection).record_unapplied(*newest)
    with pytest.raises(CommandError, match=SENTENCE):
        call_command(command)

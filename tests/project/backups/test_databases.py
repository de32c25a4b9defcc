"""Backups of databases that are damaged, do not answer, or need a password."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import uuid
from pathlib import Path

import dj_database_url
import psycopg
import pytest
from django.core.management import CommandError
from django.db import connection

from project.backups import databases
from tests.installation import installed
from tests.project.backups.crafted import redescribed, rewritten
from tests.project.configured import settings_of
from tests.with_postgres import EMPTY, copy_database

pytestmark = pytest.mark.timeout(300)  # commands one after the other, under load


def test_damaged_sqlite_is_not_backed_up(folder: Path, tmp_path: Path) -> None:
    with installed(folder, DATABASE_URL="") as installation:
        installation.environment["DATABASE_URL"] = ""
        installation.prepare(with_rows=False)
        with contextlib.closing(sqlite3.connect(folder / "sideline.sqlite3")) as broken:
            broken.execute(
                "INSERT INTO django_admin_log (object_repr, action_flag, change_message, user_id,"
                " action_time) VALUES ('x', 1, '', 999, '2026-01-01')"
            )
            broken.commit()
        output = installation.manage("backup", str(tmp_path / "x.tar"), "--with-keys", check=False)
        assert "The database is damaged: a row of django_admin_log is an orphan." in output
        assert not (tmp_path / "x.tar").exists()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_unreachable_database_is_reported_in_a_sentence(
    command: str, small: Path, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "x.tar"
    arguments = [str(file), "--with-keys"]
    if command == "restore":
        rewritten(small, file, redescribed(vendor="postgresql"))
        arguments = [str(file)]
    with installed(folder) as installation:
        installation.environment["DATABASE_URL"] = "postgres://sideline:hunter2@127.0.0.1:9/none"
        output = installation.manage(command, *arguments, check=False)
        assert "The database " in output
        assert "Connection refused" in output
        assert "Traceback" not in output
        assert "hunter2" not in output


def test_pg_dump_gets_the_options_of_the_url_and_no_visible_password(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sslmode` is kept; the password is not in arguments, which other users can see."""
    url = "postgres://sideline:hunter2@127.0.0.1:9/club?sslmode=verify-full"
    entry = settings_of(folder, monkeypatch, DATABASE_URL=url)["DATABASES"]["default"]
    assert entry["OPTIONS"]["sslmode"] == "verify-full"
    program = folder / "pg_dump"
    program.write_text('#!/bin/sh\necho "$@" $PGPASSWORD $SIDELINE_FIELD_KEY >&2; exit 1\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("SIDELINE_FIELD_KEY", "a-secret-of-ours")
    with pytest.raises(CommandError) as failure:
        databases.database_of(entry).dump(folder / "dump")
    arguments, _, password = str(failure.value).rpartition(" ")
    assert password == "hunter2", "by the environment, and without other settings"
    assert "hunter2" not in arguments
    assert "sslmode=verify-full" in arguments


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite counts no connections")
def test_other_connections_are_counted_and_closing_ones_awaited(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = copy_database(os.environ["DATABASE_URL"], f"used_{uuid.uuid4().hex}", EMPTY)
    database = databases.database_of(dj_database_url.parse(url))
    with psycopg.connect(url) as other:
        assert database.others() == 1
        monkeypatch.setattr(databases, "CLOSING_S", 60)
        leaving = threading.Timer(0.5, other.close)
        leaving.start()
        assert database.others() == 0
        leaving.join()
    assert database.is_empty()
    assert database.others() == 0, "our own last connection does not count"

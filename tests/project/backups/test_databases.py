"""Databases that are damaged, do not answer, or are asked with a password."""

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
from django.db import connection

from project.backups import databases
from tests.installation import installed
from tests.project.backups.crafted import redescribed, rewritten
from tests.project.configured import settings_of
from tests.with_postgres import EMPTY, copied

pytestmark = pytest.mark.timeout(300)  # commands one after the other, under load


def test_damaged_sqlite_is_not_backed_up_as_if_it_were_whole(folder: Path, tmp_path: Path) -> None:
    with installed(folder, DATABASE_URL="") as installation:
        installation.environment["DATABASE_URL"] = ""
        installation.prepare(with_rows=False)
        with contextlib.closing(sqlite3.connect(folder / "sideline.sqlite3")) as broken:
            broken.execute(
                "INSERT INTO django_admin_log (object_repr, action_flag, change_message, user_id,"
                " action_time) VALUES ('x', 1, '', 999, '2026-01-01')"
            )
            broken.commit()
        said = installation.manage("backup", str(tmp_path / "x.tar"), "--with-keys", check=False)
        assert "The database is damaged: a row of django_admin_log is an orphan." in said
        assert not (tmp_path / "x.tar").exists()


@pytest.mark.parametrize("command", ["backup", "restore"])
def test_database_that_does_not_answer_is_told_in_a_sentence(
    command: str, small: Path, folder: Path, tmp_path: Path
) -> None:
    file = tmp_path / "x.tar"
    arguments = [str(file), "--with-keys"]
    if command == "restore":
        rewritten(small, file, redescribed(vendor="postgresql"))
        arguments = [str(file)]
    with installed(folder) as installation:
        installation.environment["DATABASE_URL"] = "postgres://sideline:hunter2@127.0.0.1:9/none"
        said = installation.manage(command, *arguments, check=False)
        assert "The database does not answer" in said
        assert "Traceback" not in said
        assert "hunter2" not in said


def test_postgresql_is_asked_as_its_url_says_and_no_password_is_seen(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`sslmode` is kept, for the server as well; arguments can be read in a list of processes."""
    url = "postgres://sideline:hunter2@127.0.0.1:9/club?sslmode=verify-full"
    given = settings_of(folder, monkeypatch, DATABASE_URL=url)["DATABASES"]["default"]
    assert given["OPTIONS"]["sslmode"] == "verify-full"
    program = folder / "pg_dump"
    program.write_text('#!/bin/sh\necho "$@" $PGPASSWORD $SIDELINE_FIELD_KEY >&2; exit 1\n')
    program.chmod(0o700)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    monkeypatch.setenv("SIDELINE_FIELD_KEY", "a-secret-of-ours")
    with pytest.raises(databases.DatabaseTrouble) as told:
        databases.database_of(given).dump(folder / "dump")
    arguments, _, password = str(told.value).rpartition(" ")
    assert password == "hunter2", "by the environment, and nothing else of ours"
    assert "hunter2" not in arguments
    assert "sslmode=verify-full" in arguments


@pytest.mark.postgres
@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite counts no connections")
def test_who_uses_postgresql_is_counted_and_who_is_leaving_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    url = copied(os.environ["DATABASE_URL"], f"used_{uuid.uuid4().hex}", EMPTY)
    database = databases.database_of(dj_database_url.parse(url))
    with psycopg.connect(url) as other:
        assert database.others() == 1
        monkeypatch.setattr(databases, "LEAVING_S", 60)
        leaving = threading.Timer(0.5, other.close)
        leaving.start()
        assert database.others() == 0
        leaving.join()
    assert database.is_empty()
    assert database.others() == 0, "not our own connection of a moment ago"

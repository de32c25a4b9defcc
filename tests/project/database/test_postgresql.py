"""The bound on statements of PostgreSQL."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection, connections

from project.database.errors import unavailability
from project.database.postgresql import base
from project.database.postgresql.base import BoundedConnection, bound_statements, statement_limit
from tests.waiting import until

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(connection.vendor == "sqlite", reason="it is PostgreSQL's"),
]


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> Iterator[psycopg.Connection[Any]]:
    """A connection of a process that serves."""
    monkeypatch.setattr(base, "_are_bounded", False)
    bound_statements()
    with BoundedConnection.connect(os.environ["DATABASE_URL"], autocommit=True) as made:
        yield made


def test_statement_that_takes_too_long_ends_with_its_connection(
    own: psycopg.Connection[Any],
) -> None:
    with statement_limit(0.2), pytest.raises(psycopg.OperationalError) as raised:
        own.execute("SELECT pg_sleep(600)")
    assert unavailability(raised.value) is raised.value
    assert own.closed, "its late answer would be taken for that of the next statement"
    query = "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(600)'"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as other:
        until(lambda: other.execute(query).fetchone() == (0,), 20, "its end in the server")


def test_error_of_the_server_is_passed_on(own: psycopg.Connection[Any]) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        own.execute("SELECT * FROM missing")
    assert own.execute("SELECT 1").fetchone() == (1,)


def test_migrations_and_backups_are_not_bounded(
    own: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base, "_are_bounded", False)
    with statement_limit(0.01):
        own.execute("SELECT pg_sleep(0.1)")


@pytest.mark.django_db
def test_pool_makes_bounded_connections() -> None:
    connection.ensure_connection()
    assert isinstance(connection.connection, BoundedConnection)


@pytest.mark.django_db
def test_connection_that_nobody_answers_names_the_reason() -> None:
    wrapper: Any = connections.create_connection("default")
    parameters = {**wrapper.settings_dict, "PORT": "9"}
    parameters["OPTIONS"] = {"pool": {"min_size": 1, "timeout": 0.1}}
    unreachable = base.DatabaseWrapper(parameters, "unreachable")
    try:
        with pytest.raises(OperationalError, match="refused"):
            unreachable.ensure_connection()
    finally:
        unreachable.close_pool()

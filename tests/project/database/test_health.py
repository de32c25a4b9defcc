"""The log during an outage: a line when it begins, a line when it ends, and nothing else."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

import psycopg
import pytest
from django.db import OperationalError

from project.database import health as module
from project.database.health import DatabaseHealth, OutageFilter
from tests.waiting import until

LOST = psycopg.OperationalError("server closed the connection\n\tunexpectedly")


class Server:
    """What the probes ask."""

    connects = writes = True

    def connect(self) -> None:
        if not self.connects:
            raise LOST

    def write(self) -> None:
        if not self.writes:
            raise psycopg.errors.DiskFull("no space")


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def health(server: Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[DatabaseHealth]:
    """The health that the filter uses. Ends the outage of the test."""
    monkeypatch.setattr(module, "PROBE_S", 0.02)
    found = DatabaseHealth()
    monkeypatch.setattr(module, "health", found)
    found.watch("web", server.connect, server.write)
    yield found
    server.connects = server.writes = True
    until(lambda: not found.is_failing)


def test_outage_is_one_line_and_its_end_another(
    health: DatabaseHealth, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.connects = False
    for _ in range(20):
        assert health.report(LOST)
        health.count_refusal()
    assert not health.is_reachable()
    assert health.is_failing
    assert [each.getMessage() for each in caplog.records] == [
        "web: the database cannot be used: server closed the connection unexpectedly"
    ]
    server.connects = True
    until(lambda: not health.is_failing)
    assert health.is_reachable()
    until(lambda: len(caplog.records) == 2)
    assert re.search(r"can be used again after \d+ s; 20 requests were refused", caplog.text)


def test_full_disk_can_be_read_meanwhile(
    health: DatabaseHealth, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    server.writes = False
    assert health.report(psycopg.errors.DiskFull("no space"))
    assert health.is_reachable()
    assert health.is_failing
    server.writes = True
    until(lambda: not health.is_failing)


def test_statement_that_took_too_long_leaves_the_database_usable(health: DatabaseHealth) -> None:
    """Otherwise one user's slow page would take the server out of a balancer."""
    assert health.is_usable
    assert health.report(psycopg.OperationalError("The server did not answer within 10 s."))
    until(lambda: health.is_usable)
    assert health.is_reachable()


def test_fault_of_the_program_is_no_outage(
    health: DatabaseHealth, caplog: pytest.LogCaptureFixture
) -> None:
    assert not health.report(KeyError("x"))
    assert not health.is_failing
    assert not caplog.records


def test_probe_with_a_fault_of_its_own_is_logged(
    health: DatabaseHealth, server: Server, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    faults = [KeyError("provoked")]
    health.watch("web", lambda: faults and (_ for _ in ()).throw(faults.pop()), server.write)
    health.report(LOST)
    until(lambda: not health.is_failing)
    assert "the database could not be probed" in caplog.text


def logged(error: Exception, *arguments: object, **extra: object) -> logging.LogRecord:
    record = logging.LogRecord(
        "x", logging.ERROR, "", 0, "failed" + " %s" * len(arguments), arguments,
        (type(error), error, None),
    )  # fmt: skip
    record.__dict__.update(extra)
    return record


def test_consequences_of_an_outage_are_not_logged(health: DatabaseHealth, server: Server) -> None:
    lost = OperationalError("lost")
    lost.__cause__ = LOST
    response = logged(KeyError("x"), status_code=503)
    shown = OutageFilter()
    assert shown.filter(response)
    server.connects = False
    assert not shown.filter(logged(lost))
    assert health.is_failing, "the filter drops a record without a line about the outage"
    assert not shown.filter(logged(KeyError("x"), "camera 7", lost))
    assert not shown.filter(response)
    assert shown.filter(logged(KeyError("x"), "camera 7"))


def test_commands_that_do_not_serve_log_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "health", DatabaseHealth())
    assert OutageFilter().filter(logged(LOST))

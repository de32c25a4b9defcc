"""Responses while the database cannot be written: problems, pages, and what goes on to work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test import Client, RequestFactory
from pytest_django import Settings

from project import views
from project.accounts.models import Membership, Organization, Role, User
from project.database import probe
from project.middleware import ErrorBoundary

pytestmark = pytest.mark.django_db

WHO = {"username": "ann", "password": "a-long-test-password"}


@pytest.fixture(autouse=True)
def _installation(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.STATIC_ROOT = tmp_path  # otherwise WhiteNoise warns
    settings.STORAGES = {
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}
    }
    monkeypatch.setattr(probe, "readiness", probe.Readiness())


@pytest.fixture
def ann() -> User:
    club = Organization.objects.create(name="Club", slug="club")
    user = User.objects.create_user(**WHO)
    Membership.objects.create(user=user, organization=club, role=Role.ADMIN)
    return user


@pytest.fixture
def read_only(ann: User) -> Iterator[None]:
    """Make every write fail in the database itself, as on a full disk."""
    begun = transaction.savepoint()
    is_sqlite = connection.vendor == "sqlite"
    with connection.cursor() as cursor:
        sets = "PRAGMA query_only = 1" if is_sqlite else "SET LOCAL transaction_read_only = on"
        cursor.execute(sets)
        yield
        transaction.savepoint_rollback(begun)  # PostgreSQL: the setting, too
        if is_sqlite:
            cursor.execute("PRAGMA query_only = 0")


def browser() -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.postgres
def test_sign_in_over_the_api_is_a_problem_that_may_be_tried_again(read_only: None) -> None:
    answer = browser().post("/api/v1/auth/login", WHO, content_type="application/json")
    assert answer.status_code == 503
    assert answer["Content-Type"] == "application/problem+json"
    assert int(answer["Retry-After"]) > 0
    assert "disk" not in answer.json()["detail"], "operators read that in the log"


@pytest.mark.postgres
def test_page_that_was_posted_does_not_send_itself_again(read_only: None) -> None:
    answer = browser().post("/signin", WHO)
    assert answer.status_code == 503
    assert int(answer["Retry-After"]) > 0
    assert "<h1>Not available just now</h1>" in answer.content.decode()
    assert "http-equiv" not in answer.content.decode()
    assert answer["Cache-Control"] == "private, no-store"


def test_page_that_was_read_tries_again_by_itself(rf: RequestFactory) -> None:
    try:
        raise OSError(28, "No space left on device")
    except OSError:
        answer = views.server_error(rf.get("/"))
    assert answer.status_code == 503
    assert f'http-equiv="refresh" content="{answer["Retry-After"]}"' in answer.content.decode()


def test_session_that_cannot_be_stored_is_not_taken_for_a_sign_out(
    ann: User, settings: Settings
) -> None:
    client = browser()
    client.force_login(ann)
    settings.SESSION_SAVE_EVERY_REQUEST = True
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA query_only = 1")
        answer = client.get("/")
        cursor.execute("PRAGMA query_only = 0")
    assert answer.status_code == 503


def test_reading_goes_on(read_only: None) -> None:
    assert browser().get("/signin").status_code == 200
    assert browser().get("/healthz").status_code == 200


def test_fault_of_the_program_stays_500(rf: RequestFactory) -> None:
    try:
        raise KeyError("x")
    except KeyError:
        assert views.server_error(rf.get("/api/v1/cameras")).status_code == 500


def test_not_ready_while_nothing_can_be_written(read_only: None) -> None:
    answer = browser().get("/readyz")
    assert (answer.status_code, answer.content) == (503, b"not ready\n")


def test_readiness_writes_once_in_five_seconds_and_one_thread_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writes: list[int] = []
    entered, leave = threading.Event(), threading.Event()

    def write() -> None:
        writes.append(1)
        entered.set()
        assert leave.wait(60)

    monkeypatch.setattr(probe, "write", write)
    readiness, answers = probe.Readiness(), list[bool]()
    asking = [
        threading.Thread(target=lambda: answers.append(readiness.is_writable())) for _ in range(8)
    ]
    for thread in asking:
        thread.start()
    assert entered.wait(60)
    leave.set()
    for thread in asking:
        thread.join()
    assert (answers, writes) == ([True] * 8, [1])
    monkeypatch.setattr(probe, "CACHED_S", 0.0)
    assert readiness.is_writable()
    assert len(writes) == 2


async def test_socket_that_fails_is_accepted_and_closed_with_1011() -> None:
    """A refused handshake is a 403: clients take it for a withdrawn right and do not try again."""
    sent: list[dict[str, Any]] = []

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise OperationalError("provoked")

    async def send(message: Any) -> None:
        sent.append(message)

    await ErrorBoundary(broken)({"type": "websocket", "path": "/"}, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.accept"}, {"type": "websocket.close", "code": 1011}]

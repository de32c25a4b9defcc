"""One-time credentials under concurrent use; malformed cookies; passwords from the settings."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.test import Client
from django.urls import reverse
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from project import installation
from project.accounts.models import User
from project.settings.environment import BadSetting
from tests.installation import Installation, installed, submit
from tests.project.accounts.codes import code
from tests.project.audit.reading import ask

CONCURRENT = 6
PASSWORD = "offside-trap-4-4-2"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
MAKE = f"""
from cameras.models import *
from project.accounts.models import *
ours = Organization.objects.create(name="Once", slug="once")
host = User.objects.create_user("once-host")
own = Membership.objects.create(user=host, organization=ours, role="admin")
coded = User.objects.create_user("once-coded", password="{PASSWORD}")
Membership.objects.create(user=coded, organization=ours, role="viewer")
codes = SecondFactor.turn_on(coded, "{SECRET}", 0)
linked = User.objects.create_user("once-linked")
invitation = Invitation(organization=ours, name="Ann", role="viewer", membership=own)
plaza = Camera.objects.get(organization__slug="demo-club", name="Plaza")
print("CREATED", SignInLink(user=linked).issue(), invitation.issue(), codes[0], plaza.pk)
"""


@dataclass(frozen=True, slots=True)
class OneTimeSecrets:
    """Secrets that are valid once, and the id of a camera."""

    link: str
    invitation: str
    recovery: str
    camera: str


@pytest.fixture(scope="module")
def site(installation: Installation) -> Iterator[Installation]:
    """Return the installation without failures of other tests; delete those of this module."""
    ask(installation, "DELETE FROM axes_accessattempt")
    yield installation
    ask(installation, "DELETE FROM axes_accessattempt")


@pytest.fixture(scope="module")
def secrets(site: Installation) -> OneTimeSecrets:
    return OneTimeSecrets(*site.manage("shell", "-v0", "-c", MAKE).partition("CREATED ")[2].split())


def run_concurrently(attempt: Callable[[int], int]) -> list[int]:
    """Return the sorted results of `CONCURRENT` calls at the same time."""
    with ThreadPoolExecutor(CONCURRENT) as pool:
        return sorted(pool.map(attempt, range(CONCURRENT)))


@pytest.mark.postgres
def test_one_concurrent_use_of_a_sign_in_link_succeeds(
    site: Installation, secrets: OneTimeSecrets
) -> None:
    def attempt(_: int) -> int:
        with httpx.Client(timeout=60) as client:
            page = client.get(f"{site.url}/signin/{secrets.link}")
            if page.status_code != 200:
                return page.status_code
            return submit(client, page, {}).status_code

    statuses = run_concurrently(attempt)
    assert statuses.count(302) == 1, statuses
    assert set(statuses) <= {302, 410, 429}


# A second thread that waits for a row that an open transaction has locked.
BLOCKED_THREAD = """
from concurrent.futures import ThreadPoolExecutor
from django.db import connection, connections, transaction
from cameras.models import *
from project.accounts.models import *
from tests.waiting import until

def run_in_thread(action):
    try:
        return action()
    finally:
        connections.close_all()

def is_blocked():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT 1 FROM pg_locks "
            "WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"
        )
        return cursor.fetchone() is not None
"""
WAITING = """
host = User.objects.create_user("once-other-host")
other = User.objects.create_user("once-other")
ours = Organization.objects.create(name="Waiting", slug="once-waiting")
own = Membership.objects.create(user=host, organization=ours, role="admin")
invitation = Invitation(organization=ours, name="Bea", role="viewer", membership=own)
invitation.issue()
link = SignInLink(user=other)
link.issue()

for claim in (link.claim, lambda: invitation.accept(other)):
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first, late = claim(), pool.submit(run_in_thread, claim)
            until(is_blocked, 60)
        print("CLAIMED", first, late.result())
"""


@pytest.mark.postgres
def test_claim_that_waited_for_the_row_fails(site: Installation) -> None:
    """In PostgreSQL an UPDATE with a join does not re-check joined rows after waiting."""
    if not os.environ.get("DATABASE_URL"):
        pytest.skip("SQLite has one writer at a time")
    printed = site.manage("shell", "-v0", "-c", BLOCKED_THREAD + WAITING)
    assert printed.count("CLAIMED True False") == 2, printed


UPLOAD = """
from cameras.models.detectors import PART
ours = Organization.objects.create(name="Uploads", slug="once-uploads")
facts = dict(name="Ours", size=2 * PART)

for number in range(2):
    upload = Weights.begin(ours, **facts)
    replace = lambda: Weights.begin(ours, **facts)
    action = replace if number == 0 else lambda: upload.refuse("no")
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            upload.add_part(0, bytes(PART))
            late = pool.submit(run_in_thread, action)
            until(is_blocked, 60)
        late.result()
    print("PARTS", WeightsPart.objects.filter(weights__organization=ours).count())
ours.delete()
"""


@pytest.mark.postgres
def test_upload_can_be_replaced_while_it_receives_a_part(site: Installation) -> None:
    if not os.environ.get("DATABASE_URL"):
        pytest.skip("SQLite has one writer at a time")
    assert site.manage("shell", "-v0", "-c", BLOCKED_THREAD + UPLOAD).count("PARTS 0") == 2


@pytest.mark.postgres
def test_one_concurrent_use_of_an_invitation_succeeds(
    site: Installation, secrets: OneTimeSecrets
) -> None:
    def attempt(number: int) -> int:
        with httpx.Client(timeout=60) as client:
            page = client.get(f"{site.url}/invitations/{secrets.invitation}")
            if page.status_code != 200:
                return page.status_code
            name = f"once-{number}"
            new = {"username": name, "password1": PASSWORD, "password2": PASSWORD}
            return submit(client, page, new).status_code

    statuses = run_concurrently(attempt)
    assert statuses.count(302) == 1, statuses
    created = ask(site, "SELECT username FROM accounts_user WHERE username LIKE 'once-_'")
    assert len(created) == 1


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["code", "recovery code"])
def test_one_concurrent_use_of_a_code_succeeds(
    site: Installation, secrets: OneTimeSecrets, kind: str
) -> None:
    text = secrets.recovery if kind == "recovery code" else code(SECRET)
    form = {"username": "once-coded", "password": PASSWORD, "code": text}

    def attempt(_: int) -> int:
        return httpx.post(f"{site.url}/api/v1/auth/login", json=form, timeout=60).status_code

    statuses = run_concurrently(attempt)
    assert statuses.count(200) == 1, statuses
    assert set(statuses) <= {200, 401, 429}


# Django unquotes the first two to values with a NUL.
MALFORMED = [
    r'"\000"', '"' + r"a\000b" * 8 + '"', r'"\377\012"', "x" * 10_000, "é" * 32, "A" * 32, "a" * 32,
    "'; drop table",
    "",
]  # fmt: skip


@pytest.mark.postgres
@pytest.mark.parametrize("cookie", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_cookie_is_not_signed_in(site: Installation, cookie: str) -> None:
    raw = f"sideline_session={cookie}; sideline_csrf={cookie[:99]}; messages={cookie[:99]}".encode()
    with httpx.Client(base_url=site.url, timeout=60) as client:
        for path in ("/", "/signin", "/api/v1/cameras", "/admin/", "/chat"):
            response = client.get(path, headers={"Cookie": raw})  # type: ignore[dict-item]
            assert response.status_code in (200, 302, 401, 404), (path, response.text)
            if path == "/":
                assert response.headers["location"].startswith("/signin")


@pytest.mark.postgres
@pytest.mark.parametrize("cookie", MALFORMED, ids=range(len(MALFORMED)))
def test_malformed_cookie_cannot_open_a_socket(
    site: Installation, secrets: OneTimeSecrets, cookie: str
) -> None:
    url = f"{site.url.replace('http', 'ws')}/ws/stream/{secrets.camera}"
    headers = {"Cookie": f"sideline_session={cookie}", "Origin": site.url}
    with pytest.raises(InvalidStatus) as error:
        connect(url, additional_headers=headers, open_timeout=60)
    assert error.value.response.status_code == 403


@pytest.mark.postgres
def test_cookie_with_a_nul_cannot_open_a_socket(site: Installation) -> None:
    """With a raw socket: no client library sends a NUL."""
    before = len(site.logged())
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as wire:
        wire.sendall(
            b"GET /ws/stream/00000000-0000-4000-8000-000000000000 HTTP/1.1\r\n"
            b"Host: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1:%d\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Cookie: sideline_session=a\0b%s\r\n\r\n" % (site.port, site.port, b"c" * 29)
        )
        response = wire.recv(4096)
    assert re.match(rb"HTTP/1.1 40[03] ", response), response
    assert "Traceback" not in site.logged()[before:]


@pytest.fixture
def prepared(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """Return a function that prepares an installation with an administrator from the settings."""
    monkeypatch.setattr(installation, "_is_static_outdated", lambda: False)

    def prepare(name: str, password: str) -> None:
        settings.ADMIN_USERNAME, settings.ADMIN_PASSWORD = name, password
        installation.prepare()

    return prepare


@pytest.mark.django_db
def test_new_installation_has_no_default_password(prepared: Callable[[str, str], None]) -> None:
    prepared("", "")
    assert [user.has_usable_password() for user in User.objects.all()] == [False]
    for guess in ("", "admin", "password", "sideline", "changeme"):
        form = {"username": "admin", "password": guess}
        response = Client().post(reverse("api-login"), form, content_type="application/json")
        assert response.status_code in (400, 401)


@pytest.mark.django_db
@pytest.mark.parametrize("weak", ["12345678", "password", "keeper1", "short"])
def test_weak_password_in_the_settings_is_refused(
    prepared: Callable[[str, str], None], weak: str
) -> None:
    with pytest.raises(BadSetting, match="SIDELINE_ADMIN_PASSWORD"):
        prepared("keeper", weak)
    assert not User.objects.exists()


def test_weak_password_in_the_settings_stops_the_start(folder: Path) -> None:
    with installed(folder, SIDELINE_DEMO="0", SIDELINE_ADMIN_PASSWORD="password") as installation:
        with pytest.raises(AssertionError, match="SIDELINE_ADMIN_PASSWORD") as error:
            installation.serve()
        assert installation.processes[0].wait(20) != 0
        assert "Traceback" not in str(error.value)
        assert not ask(installation, "SELECT username FROM accounts_user")

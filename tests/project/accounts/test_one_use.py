"""What works once works once, however many ask at the same moment; and cookies that are none."""

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

AT_ONCE = 6
PASSWORD = "offside-trap-4-4-2"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
MAKE = f"""
from cameras.models import *
from project.accounts.models import *
ours = Organization.objects.create(name="Once", slug="once")
host = User.objects.create_user("once-host")
Membership.objects.create(user=host, organization=ours, role="admin")
coded = User.objects.create_user("once-coded", password="{PASSWORD}")
Membership.objects.create(user=coded, organization=ours, role="viewer")
codes = SecondFactor.turn_on(coded, "{SECRET}", 0)
linked = User.objects.create_user("once-linked")
invitation = Invitation(organization=ours, name="Ann", role="viewer", created_by=host)
plaza = Camera.objects.get(organization__slug="demo-club", name="Plaza")
print("MADE", SignInLink.issue(linked), invitation.issue(), codes[0], plaza.pk)
"""


@dataclass(frozen=True, slots=True)
class Made:
    """What works once, and the id of a camera."""

    link: str
    invitation: str
    recovery: str
    camera: str


@pytest.fixture(scope="module")
def site(installation: Installation) -> Iterator[Installation]:
    """Tries that others had wrong here are forgotten, and ours afterwards."""
    ask(installation, "DELETE FROM axes_accessattempt")
    yield installation
    ask(installation, "DELETE FROM axes_accessattempt")


@pytest.fixture(scope="module")
def made(site: Installation) -> Made:
    return Made(*site.manage("shell", "-v0", "-c", MAKE).partition("MADE ")[2].split())


def together(deed: Callable[[int], int]) -> list[int]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sorted(pool.map(deed, range(AT_ONCE)))


@pytest.mark.postgres
def test_one_concurrent_use_of_a_sign_in_link_succeeds(site: Installation, made: Made) -> None:
    def deed(_: int) -> int:
        with httpx.Client(timeout=60) as client:
            page = client.get(f"{site.url}/signin/{made.link}")
            if page.status_code != 200:
                return page.status_code
            return submit(client, page, {}).status_code

    done = together(deed)
    assert done.count(302) == 1, done
    assert set(done) <= {302, 410, 429}


# A second one who comes while the first one's transaction is open, and waits for its row.
SECOND = """
from concurrent.futures import ThreadPoolExecutor
from django.db import connection, connections, transaction
from cameras.models import *
from project.accounts.models import *
from tests.waiting import until

def second(deed):
    try:
        return deed()
    finally:
        connections.close_all()

def waits_for_us():
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
Membership.objects.create(user=host, organization=ours, role="admin")
invitation = Invitation(organization=ours, name="Bea", role="viewer", created_by=host)
invitation.issue()
text = SignInLink.issue(other)

for claim in (lambda: SignInLink.claim(text) is not None, lambda: invitation.accept(other)):
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first, late = claim(), pool.submit(second, claim)
            until(waits_for_us, 60)
        print("CLAIMED", first, late.result())
"""


@pytest.mark.postgres
def test_claim_that_waited_for_the_row_fails(site: Installation) -> None:
    """On PostgreSQL an UPDATE with a join would not look again at what it had waited for."""
    if not os.environ.get("DATABASE_URL"):
        pytest.skip("SQLite has one writer at a time")
    printed = site.manage("shell", "-v0", "-c", SECOND + WAITING)
    assert printed.count("CLAIMED True False") == 2, printed


UPLOAD = """
from cameras.models.detectors import PART
ours = Organization.objects.create(name="Uploads", slug="once-uploads")
facts = dict(name="Ours", size=2 * PART)

for number in range(2):
    coming = Weights.begin(ours, **facts)
    deed = (lambda: Weights.begin(ours, **facts)) if number == 0 else (lambda: coming.refuse("no"))
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            coming.add_part(0, bytes(PART))
            late = pool.submit(second, deed)
            until(waits_for_us, 60)
        late.result()
    print("PARTS", WeightsPart.objects.filter(weights__organization=ours).count())
ours.delete()
"""


@pytest.mark.postgres
def test_upload_can_be_replaced_while_it_receives_a_part(site: Installation) -> None:
    if not os.environ.get("DATABASE_URL"):
        pytest.skip("SQLite has one writer at a time")
    assert site.manage("shell", "-v0", "-c", SECOND + UPLOAD).count("PARTS 0") == 2


@pytest.mark.postgres
def test_one_concurrent_use_of_an_invitation_succeeds(site: Installation, made: Made) -> None:
    def deed(number: int) -> int:
        with httpx.Client(timeout=60) as client:
            page = client.get(f"{site.url}/invitations/{made.invitation}")
            if page.status_code != 200:
                return page.status_code
            name = f"once-{number}"
            new = {"username": name, "password1": PASSWORD, "password2": PASSWORD}
            return submit(client, page, new).status_code

    done = together(deed)
    assert done.count(302) == 1, done
    complete_sign_in = ask(site, "SELECT username FROM accounts_user WHERE username LIKE 'once-_'")
    assert len(complete_sign_in) == 1


@pytest.mark.postgres
@pytest.mark.parametrize("kind", ["code", "recovery code"])
def test_one_concurrent_use_of_a_code_succeeds(site: Installation, made: Made, kind: str) -> None:
    text = made.recovery if kind == "recovery code" else code(SECRET)
    form = {"username": "once-coded", "password": PASSWORD, "code": text}

    def deed(_: int) -> int:
        return httpx.post(f"{site.url}/api/v1/auth/login", json=form, timeout=60).status_code

    done = together(deed)
    assert done.count(200) == 1, done
    assert set(done) <= {200, 401, 429}


# A quoted value may escape what a header cannot hold: Django reads a NUL out of the first two.
ODD = [
    r'"\000"', '"' + r"a\000b" * 8 + '"', r'"\377\012"', "x" * 10_000, "é" * 32, "A" * 32, "a" * 32,
    "'; drop table",
    "",
]  # fmt: skip


@pytest.mark.postgres
@pytest.mark.parametrize("cookie", ODD, ids=range(len(ODD)))
def test_malformed_cookie_is_not_signed_in(site: Installation, cookie: str) -> None:
    raw = f"sideline_session={cookie}; sideline_csrf={cookie[:99]}; messages={cookie[:99]}".encode()
    with httpx.Client(base_url=site.url, timeout=60) as client:
        for path in ("/", "/signin", "/api/v1/cameras", "/admin/", "/chat"):
            answer = client.get(path, headers={"Cookie": raw})  # type: ignore[dict-item]
            assert answer.status_code in (200, 302, 401, 404), (path, answer.text)
            if path == "/":
                assert answer.headers["location"].startswith("/signin")


@pytest.mark.postgres
@pytest.mark.parametrize("cookie", ODD, ids=range(len(ODD)))
def test_malformed_cookie_cannot_open_a_socket(site: Installation, made: Made, cookie: str) -> None:
    url = f"{site.url.replace('http', 'ws')}/ws/stream/{made.camera}"
    headers = {"Cookie": f"sideline_session={cookie}", "Origin": site.url}
    with pytest.raises(InvalidStatus) as refused:
        connect(url, additional_headers=headers, open_timeout=60)
    assert refused.value.response.status_code == 403


@pytest.mark.postgres
def test_cookie_with_a_nul_cannot_open_a_socket(site: Installation) -> None:
    """By hand: no client sends such a thing."""
    before = len(site.logged())
    with socket.create_connection(("127.0.0.1", site.port), timeout=60) as wire:
        wire.sendall(
            b"GET /ws/stream/00000000-0000-4000-8000-000000000000 HTTP/1.1\r\n"
            b"Host: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1:%d\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Cookie: sideline_session=a\0b%s\r\n\r\n" % (site.port, site.port, b"c" * 29)
        )
        answered = wire.recv(4096)
    assert re.match(rb"HTTP/1.1 40[03] ", answered), answered
    assert "Traceback" not in site.logged()[before:]


@pytest.fixture
def prepared(settings: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """What a first start does under an administrator of the settings, static files aside."""
    monkeypatch.setattr(installation, "_static_is_behind", lambda: False)

    def prepare(name: str, password: str) -> None:
        settings.ADMIN_USERNAME, settings.ADMIN_PASSWORD = name, password
        installation.prepare()

    return prepare


@pytest.mark.django_db
def test_new_installation_has_no_default_password(prepared: Callable[[str, str], None]) -> None:
    prepared("", "")
    assert [user.has_usable_password() for user in User.objects.all()] == [False]
    for word in ("", "admin", "password", "sideline", "changeme"):
        form = {"username": "admin", "password": word}
        answer = Client().post(reverse("api-login"), form, content_type="application/json")
        assert answer.status_code in (400, 401)


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
        with pytest.raises(AssertionError, match="SIDELINE_ADMIN_PASSWORD") as ended:
            installation.serve()
        assert installation.processes[0].wait(20) != 0
        assert "Traceback" not in str(ended.value)
        assert not ask(installation, "SELECT username FROM accounts_user")

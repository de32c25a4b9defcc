"""What works once works once, however many ask at the same moment; and cookies that are none."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from tests.cameras.people.codes import code
from tests.installation import KEEPER, Installation, installed, submit
from tests.people import assemble

AT_ONCE = 8
PASSWORD = "offside-trap-4-4-2"
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
MAKE = f"""
from cameras.models import *
ours = Organization.objects.get(slug="demo-club")
keeper = User.objects.get(username="keeper")
coded = User.objects.create_user("coded", password="{PASSWORD}")
Membership.objects.create(user=coded, organization=ours, role="viewer")
codes = SecondFactor.turn_on(coded, "{SECRET}", 0)
linked = User.objects.create_user("linked")
invitation = Invitation(organization=ours, name="Ann", role="viewer", created_by=keeper)
print("MADE", SignInLink.issue(linked), invitation.issue(), codes[0])
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One of its own, so that its address is not locked by what others do."""
    folder: Path = tmp_path_factory.mktemp("once")
    with installed(folder) as house:
        house.serve()
        yield house


@pytest.fixture(scope="module")
def made(site: Installation) -> list[str]:
    """A sign-in link, an invitation, a recovery code."""
    return site.manage("shell", "-v0", "-c", MAKE).partition("MADE ")[2].split()


def together(deed: Callable[[int], int]) -> list[int]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return sorted(pool.map(deed, range(AT_ONCE)))


def test_a_sign_in_link_signs_in_one_of_many(site: Installation, made: list[str]) -> None:
    def deed(_: int) -> int:
        with httpx.Client(timeout=60) as client:
            page = client.get(f"{site.url}/signin/{made[0]}")
            if page.status_code != 200:
                return page.status_code
            return submit(client, page, {}).status_code

    done = together(deed)
    assert done.count(302) == 1, done
    assert set(done) <= {302, 410, 429}


# A second one who comes while the first one's transaction is open, and waits for its row.
SECOND = """
import time
from concurrent.futures import ThreadPoolExecutor
from django.db import connection, connections, transaction
from cameras.models import *

def second(deed):
    try:
        return deed()
    finally:
        connections.close_all()

def waits():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        return cursor.fetchone() is not None

def until_it_waits():
    until = time.monotonic() + 20
    while not waits() and time.monotonic() < until:
        time.sleep(0.01)
"""
WAITING = """
keeper = User.objects.get(username="keeper")
other = User.objects.create_user("other")
ours = Organization.objects.get(slug="demo-club")
invitation = Invitation(organization=ours, name="Bea", role="viewer", created_by=keeper)
invitation.issue()
text = SignInLink.issue(other)

for claim in (lambda: SignInLink.claim(text) is not None, lambda: invitation.accept(other)):
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            first, late = claim(), pool.submit(second, claim)
            until_it_waits()
        print("CLAIMED", first, late.result())
"""


def test_who_waits_for_the_row_finds_it_used(site: Installation) -> None:
    """On PostgreSQL an UPDATE with a join would not look again at what it had waited for."""
    if not os.environ.get("DATABASE_URL"):
        pytest.skip("SQLite has one writer at a time")
    printed = site.manage("shell", "-v0", "-c", SECOND + WAITING)
    assert printed.count("CLAIMED True False") == 2, printed


UPLOAD = """
from cameras.models.parts import PART
ours = Organization.objects.get(slug="demo-club")
facts = dict(name="Ours", size=2 * PART)

for number in range(2):
    coming = Weights.begin(ours, **facts)
    deed = (lambda: Weights.begin(ours, **facts)) if number == 0 else (lambda: coming.refuse("no"))
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            coming.take(0, bytes(PART))
            late = pool.submit(second, deed)
            until_it_waits()
        late.result()
    print("PARTS", WeightsPart.objects.count())
"""


def test_an_upload_that_another_replaces_may_be_taking_a_part(site: Installation) -> None:
    if not os.environ.get("DATABASE_URL"):
        pytest.skip("SQLite has one writer at a time")
    assert site.manage("shell", "-v0", "-c", SECOND + UPLOAD).count("PARTS 0") == 2


def test_an_invitation_lets_one_of_many_in(site: Installation, made: list[str]) -> None:
    def deed(number: int) -> int:
        with httpx.Client(timeout=60) as client:
            page = client.get(f"{site.url}/invitations/{made[1]}")
            if page.status_code != 200:
                return page.status_code
            name = f"quick-{number}"
            new = {"username": name, "password1": PASSWORD, "password2": PASSWORD}
            return submit(client, page, new).status_code

    done = together(deed)
    assert done.count(302) == 1, done
    asked = "from cameras.models import User; print(User.objects.filter(username__startswith="
    assert "1" in site.manage("shell", "-v0", "-c", f"{asked}'quick-').count())")


@pytest.mark.parametrize("kind", ["code", "recovery code"])
def test_a_code_signs_in_one_of_many(site: Installation, made: list[str], kind: str) -> None:
    text = made[2] if kind == "recovery code" else code(SECRET)
    form = {"username": "coded", "password": PASSWORD, "code": text}

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


@pytest.mark.parametrize("cookie", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize("path", ["/", "/signin", "/api/v1/cameras", "/admin/", "/chat"])
def test_an_odd_cookie_is_nobody(site: Installation, cookie: str, path: str) -> None:
    raw = f"sideline_session={cookie}; sideline_csrf={cookie[:99]}; messages={cookie[:99]}".encode()
    with httpx.Client(base_url=site.url, timeout=20) as client:
        answer = client.get(path, headers={"Cookie": raw})  # type: ignore[dict-item]
    assert answer.status_code in (200, 302, 401, 404), answer.text
    if path == "/":
        assert answer.headers["location"].startswith("/signin")


@pytest.mark.parametrize("cookie", ODD, ids=range(len(ODD)))
def test_an_odd_cookie_is_nobody_for_sockets(site: Installation, cookie: str) -> None:
    plaza = assemble(site, f"odd-{secrets.token_hex(4)}").plaza
    url = f"{site.url.replace('http', 'ws')}/ws/stream/{plaza}"
    headers = {"Cookie": f"sideline_session={cookie}", "Origin": site.url}
    with pytest.raises(InvalidStatus) as refused, connect(url, additional_headers=headers):
        pass
    assert refused.value.response.status_code == 403


def test_a_cookie_with_a_nul_is_nobody_for_sockets(site: Installation) -> None:
    """By hand: no client sends such a thing."""
    import socket

    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as wire:
        wire.sendall(
            b"GET /ws/stream/00000000-0000-4000-8000-000000000000 HTTP/1.1\r\n"
            b"Host: 127.0.0.1:%d\r\nOrigin: http://127.0.0.1:%d\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"Cookie: sideline_session=a\0b%s\r\n\r\n" % (site.port, site.port, b"c" * 29)
        )
        answered = wire.recv(4096)
    assert re.match(rb"HTTP/1.1 40[03] ", answered), answered
    assert "Traceback" not in site.logged()


def test_a_fresh_installation_has_no_password_at_all(folder: Path) -> None:
    nobody = {"SIDELINE_ADMIN_USERNAME": "", "SIDELINE_ADMIN_PASSWORD": ""}
    with installed(folder, **nobody) as house:
        house.serve()
        asked = "from cameras.models import User; print('USABLE', [u.username for u in "
        printed = house.manage(
            "shell", "-v0", "-c", f"{asked}User.objects.all() if u.has_usable_password()])"
        )
        assert "USABLE []" in printed
        for word in ("", "admin", "password", "sideline", "changeme"):
            form = {"username": "admin", "password": word}
            assert httpx.post(f"{house.url}/api/v1/auth/login", json=form).status_code in (400, 401)


@pytest.mark.parametrize("weak", ["12345678", "password", "keeper1", "short"])
def test_a_weak_password_of_the_settings_is_refused(folder: Path, weak: str) -> None:
    with installed(folder, SIDELINE_ADMIN_PASSWORD=weak) as house:
        process = house.spawn("serve", "--prepare")
        assert process.wait(60) != 0
        assert "SIDELINE_ADMIN_PASSWORD" in house.logged()
        assert "Traceback" not in house.logged()
        assert KEEPER["username"] not in house.manage(
            "shell", "-v0", "-c", "from cameras.models import User; print(User.objects.all())"
        )

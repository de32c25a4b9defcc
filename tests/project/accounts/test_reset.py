"""Password resets, with a mail server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.test import Client
from django.urls import reverse

from project.accounts.models import User
from tests.cameras.views.rows import PASSWORD
from tests.installation import Installation, installed, submit
from tests.project.accounts.mailbox import Mailbox, mailbox
from tests.waiting import until

PUBLIC = "http://cameras.example.org/club"
MAKE = """
from project.accounts.models import *
for name in ("ann", "bob", "eve"):
    User.objects.create_user(name, name + "@example.org", password="wing-back-9")
SecondFactor.turn_on(User.objects.get(username="bob"), "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", 0)
User.objects.filter(username="eve").update(is_active=False)
"""


@pytest.fixture(scope="module")
def received() -> Iterator[Mailbox]:
    with mailbox() as server:
        yield server


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, received: Mailbox) -> Iterator[Installation]:
    """Serve under a public URL from the settings; every Host header is allowed."""
    folder: Path = tmp_path_factory.mktemp("reset")
    settings = {"SIDELINE_PUBLIC_URL": PUBLIC, "SIDELINE_ALLOWED_HOSTS": "*", "SIDELINE_DEMO": "0"}
    with installed(folder, SIDELINE_EMAIL_URL=received.url, **settings) as installation:
        installation.serve()
        installation.manage("shell", "-v0", "-c", MAKE)
        yield installation


def request_reset(site: Installation, email: str, **headers: str) -> httpx.Response:
    with httpx.Client(headers=headers, timeout=20) as client:
        page = client.get(f"{site.url}/club/signin/forgotten")
        token = re.findall(r'csrfmiddlewaretoken" value="(\w+)"', page.text)[0]
        form = {"csrfmiddlewaretoken": token, "email": email}
        origin = f"http://{headers.get('Host', page.url.netloc.decode())}"
        return client.post(page.url, data=form, headers={"Origin": origin})


def link_in(received: Mailbox, count: int) -> str:
    """Wait for the mail number `count` and return its link."""
    until(lambda: len(received.mails) >= count, 30, "the mail")
    text = received.mails[-1].get_content()
    (link,) = re.findall(r"http\S+/signin/reset/\S+", text)
    return str(link)


def without_tokens(text: str, email: str) -> str:
    return re.sub(r'content="\w+"|nonce="[^"]+"', "", text.replace(email, "…"))


def login_status(site: Installation, name: str, password: str) -> int:
    form = {"username": name, "password": password, "organization": "demo-club"}
    return httpx.post(f"{site.url}/club/api/v1/auth/login", json=form, timeout=30).status_code


@pytest.mark.postgres
def test_reset_link_sets_a_password_once_and_does_not_sign_in(
    site: Installation, received: Mailbox
) -> None:
    count = len(received.mails) + 1
    response = request_reset(site, "ANN@example.org")
    assert "a link is on its way" in response.text
    link = link_in(received, count)
    mail = received.mails[-1]
    assert mail["to"] == "ann@example.org"
    assert mail["from"] == "Sideline <sideline@cameras.example.org>"
    assert link.startswith(f"{PUBLIC}/signin/reset/")
    url = site.url + link.removeprefix("http://cameras.example.org")
    with httpx.Client(timeout=30) as client:
        page = client.get(url)
        assert page.status_code == 200
        weak = {"new_password1": "password", "new_password2": "password"}
        assert "too common" in submit(client, page, weak).text
        new = {"new_password1": PASSWORD, "new_password2": PASSWORD}
        done = submit(client, page, new)
        assert done.headers["location"].endswith("/signin?reset=done")
        assert client.get(f"{site.url}/club/account/password").status_code == 302
        assert client.get(url).status_code == 410
        assert submit(client, page, new).status_code == 410
    assert login_status(site, "ann", "wing-back-9") == 401
    assert (
        login_status(site, "ann", PASSWORD) == 400
    )  # the password is right; the user has no organization


@pytest.mark.postgres
def test_reset_keeps_the_second_factor(site: Installation, received: Mailbox) -> None:
    count = len(received.mails) + 1
    request_reset(site, "bob@example.org")
    url = site.url + link_in(received, count).removeprefix("http://cameras.example.org")
    with httpx.Client(timeout=30) as client:
        new = {"new_password1": PASSWORD, "new_password2": PASSWORD}
        assert submit(client, client.get(url), new).status_code == 302
        form = {"username": "bob", "password": PASSWORD}
        page = client.get(f"{site.url}/club/signin")
        assert submit(client, page, form).headers["location"] == "/club/signin/code"
        assert client.get(f"{site.url}/club/account/password").status_code == 302
    response = httpx.post(f"{site.url}/club/api/v1/auth/login", json=form, timeout=30)
    assert response.json()["second_factor"] == "required"


def test_reset_link_ignores_the_host_header(site: Installation, received: Mailbox) -> None:
    count = len(received.mails) + 1
    assert request_reset(site, "ann@example.org", Host="evil.example").status_code == 200
    assert link_in(received, count).startswith(PUBLIC)
    assert "evil" not in received.mails[-1].get_content()


def test_response_does_not_reveal_whether_the_address_is_known(
    site: Installation, received: Mailbox
) -> None:
    """The mail server does not answer, and no response waits for it: one that did would come
    after the sender has given up, and then no mail could follow."""
    received.open.clear()
    try:
        responses = []
        for email in ("eve@example.org", "nobody@example.org", "bob@example.org"):
            response = request_reset(site, email)
            responses.append((response.status_code, without_tokens(response.text, email)))
        assert len(set(responses)) == 1
        count = len(received.mails)
    finally:
        received.open.set()
    until(lambda: len(received.mails) > count, 30, "the mail to bob")
    assert {mail["to"] for mail in received.mails[count:]} == {"bob@example.org"}


@pytest.mark.postgres
def test_reset_requests_are_throttled(site: Installation) -> None:
    statuses = [request_reset(site, f"somebody-{n}@example.org").status_code for n in range(11)]
    assert statuses[-1] == 429


@pytest.mark.django_db
def test_page_without_mail_says_whom_to_ask() -> None:
    page = Client().get(reverse("forgotten")).content.decode()
    assert "sends no mail" in page
    assert "manage.py signinlink NAME" in page
    assert "administrators cannot" in page
    assert "<form" not in page.partition("<main")[2].partition("</main>")[0]
    posted = Client().post(reverse("forgotten"), {"email": "a@example.org"})
    assert posted.status_code == 200
    assert "<form" not in posted.content.decode().partition("<main")[2].partition("</main>")[0]


@pytest.mark.postgres
@pytest.mark.django_db
def test_forged_reset_links_get_410(viewer: User) -> None:
    for person in (viewer.pk.hex, "0" * 32, "x", "%00"):
        assert Client().get(f"/signin/reset/{person}/a-guess").status_code == 410

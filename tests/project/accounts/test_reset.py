"""Forgotten passwords, with a mail server."""

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
def post() -> Iterator[Mailbox]:
    with mailbox() as kept:
        yield kept


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, post: Mailbox) -> Iterator[Installation]:
    """Under a public address that only the settings know; reached as any host."""
    folder: Path = tmp_path_factory.mktemp("reset")
    told = {"SIDELINE_PUBLIC_URL": PUBLIC, "SIDELINE_ALLOWED_HOSTS": "*", "SIDELINE_DEMO": "0"}
    with installed(folder, SIDELINE_EMAIL_URL=post.url, **told) as installation:
        installation.serve()
        installation.manage("shell", "-v0", "-c", MAKE)
        yield installation


def ask(site: Installation, email: str, **headers: str) -> httpx.Response:
    with httpx.Client(headers=headers, timeout=20) as client:
        page = client.get(f"{site.url}/club/signin/forgotten")
        token = re.findall(r'csrfmiddlewaretoken" value="(\w+)"', page.text)[0]
        form = {"csrfmiddlewaretoken": token, "email": email}
        origin = f"http://{headers.get('Host', page.url.netloc.decode())}"
        return client.post(page.url, data=form, headers={"Origin": origin})


def link_in(post: Mailbox, count: int) -> str:
    until(lambda: len(post.mails) >= count, 30, "the mail")
    words = post.mails[-1].get_content()
    (found,) = re.findall(r"http\S+/signin/reset/\S+", words)
    return str(found)


def without_tokens(text: str, email: str) -> str:
    return re.sub(r'content="\w+"|nonce="[^"]+"', "", text.replace(email, "…"))


def signed_in_as(site: Installation, name: str, password: str) -> int:
    form = {"username": name, "password": password, "organization": "demo-club"}
    return httpx.post(f"{site.url}/club/api/v1/auth/login", json=form, timeout=30).status_code


@pytest.mark.postgres
def test_a_link_sets_a_new_password_once_and_signs_nobody_in(
    site: Installation, post: Mailbox
) -> None:
    count = len(post.mails) + 1
    answer = ask(site, "ANN@example.org")
    assert "a link is on its way" in answer.text
    link = link_in(post, count)
    mail = post.mails[-1]
    assert mail["to"] == "ann@example.org"
    assert mail["from"] == "Sideline <sideline@cameras.example.org>"
    assert link.startswith(f"{PUBLIC}/signin/reset/")
    here = site.url + link.removeprefix("http://cameras.example.org")
    with httpx.Client(timeout=30) as client:
        page = client.get(here)
        assert page.status_code == 200
        weak = {"new_password1": "password", "new_password2": "password"}
        assert "too common" in submit(client, page, weak).text
        new = {"new_password1": PASSWORD, "new_password2": PASSWORD}
        done = submit(client, page, new)
        assert done.headers["location"].endswith("/signin?reset=done")
        assert client.get(f"{site.url}/club/account/password").status_code == 302
        assert client.get(here).status_code == 410
        assert submit(client, page, new).status_code == 410
    assert signed_in_as(site, "ann", "wing-back-9") == 401
    assert signed_in_as(site, "ann", PASSWORD) == 400  # right, and a member of nothing


@pytest.mark.postgres
def test_the_second_factor_stays(site: Installation, post: Mailbox) -> None:
    count = len(post.mails) + 1
    ask(site, "bob@example.org")
    here = site.url + link_in(post, count).removeprefix("http://cameras.example.org")
    with httpx.Client(timeout=30) as client:
        new = {"new_password1": PASSWORD, "new_password2": PASSWORD}
        assert submit(client, client.get(here), new).status_code == 302
        known = {"username": "bob", "password": PASSWORD}
        page = client.get(f"{site.url}/club/signin")
        assert submit(client, page, known).headers["location"] == "/club/signin/code"
        assert client.get(f"{site.url}/club/account/password").status_code == 302
    asked = httpx.post(f"{site.url}/club/api/v1/auth/login", json=known, timeout=30)
    assert asked.json()["second_factor"] == "required"


def test_a_host_header_does_not_choose_where_the_link_leads(
    site: Installation, post: Mailbox
) -> None:
    count = len(post.mails) + 1
    assert ask(site, "ann@example.org", Host="evil.example").status_code == 200
    assert link_in(post, count).startswith(PUBLIC)
    assert "evil" not in post.mails[-1].get_content()


def test_nothing_tells_whether_somebody_has_the_address(site: Installation, post: Mailbox) -> None:
    """The mail server does not even greet. Nobody waits for it: an answer that did would come once
    the sender has given up, and no mail after it."""
    post.open.clear()
    try:
        answers = []
        for email in ("eve@example.org", "nobody@example.org", "bob@example.org"):
            answer = ask(site, email)
            answers.append((answer.status_code, without_tokens(answer.text, email)))
        assert len(set(answers)) == 1
        written = len(post.mails)
    finally:
        post.open.set()
    until(lambda: len(post.mails) > written, 30, "the mail to bob")
    assert {mail["to"] for mail in post.mails[written:]} == {"bob@example.org"}


@pytest.mark.postgres
def test_asking_is_throttled(site: Installation) -> None:
    statuses = [ask(site, f"somebody-{n}@example.org").status_code for n in range(11)]
    assert statuses[-1] == 429


@pytest.mark.django_db
def test_without_mail_the_page_says_whom_to_ask() -> None:
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
def test_forged_links_are_over(viewer: User) -> None:
    for person in (viewer.pk.hex, "0" * 32, "x", "%00"):
        assert Client().get(f"/signin/reset/{person}/a-guess").status_code == 410

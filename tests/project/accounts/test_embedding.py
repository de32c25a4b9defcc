"""Pages of others cannot have a browser try links, and so lock them at its address."""

from __future__ import annotations

from typing import Any

import pytest
from axes.models import AccessAttempt
from django.test import Client
from django.urls import reverse

from project.accounts.models import SignInLink, User
from project.accounts.throttling.tries import NOWHERE

pytestmark = pytest.mark.django_db
LIMIT = 8
LINKS = ("/signin/x", "/signin/reset/x/y", "/invitations/x", "/shared/x")
PICTURE = {"site": "cross-site", "mode": "no-cors", "dest": "image"}
FRAME = {"site": "cross-site", "mode": "navigate", "dest": "iframe"}
AHEAD = {"site": "cross-site", "mode": "navigate", "dest": "document"}


def headers(site: str, mode: str, dest: str) -> dict[str, str]:
    return {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("by", [PICTURE, FRAME], ids=["picture", "frame"])
def test_what_a_foreign_page_fetches_is_not_counted(link: str, by: Any) -> None:
    browser = Client(headers=headers(**by))
    assert {browser.get(link).status_code for _ in range(LIMIT + 1)} == {403}
    assert not AccessAttempt.objects.exists()


@pytest.mark.parametrize("link", LINKS)
def test_nor_what_it_has_loaded_ahead(link: str) -> None:
    ahead = headers(**AHEAD) | {"Sec-Purpose": "prefetch;prerender"}
    assert Client(headers=ahead).get(link).status_code == 403
    assert not AccessAttempt.objects.exists()


def test_what_is_fetched_is_not_even_looked_at(viewer: User) -> None:
    link = reverse("signin-link", args=[SignInLink.issue(viewer)])
    assert Client(headers=headers(**PICTURE)).get(link).status_code == 403
    assert Client(headers=headers(**PICTURE)).post(link).status_code == 403
    assert Client().get(link).status_code == 200, "programs and old browsers say nothing"


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("site", ["none", "same-origin", "cross-site"])
def test_who_opens_a_link_is_answered_and_counted(link: str, site: str) -> None:
    """By hand, on our own pages, or in a mail on somebody else's."""
    assert Client(headers=headers(site, "navigate", "document")).get(link).status_code == 410
    counted = AccessAttempt.objects.exclude(ip_address=NOWHERE).get()
    assert counted.failures_since_start == 1

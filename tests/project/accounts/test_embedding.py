"""Pages of other sites cannot make a browser guess links and so lock its address."""

from __future__ import annotations

from typing import Any

import pytest
from axes.models import AccessAttempt
from django.test import Client
from django.urls import reverse

from project.accounts.models import SignInLink, User
from project.accounts.throttling.attempts import NOWHERE

pytestmark = pytest.mark.django_db
LIMIT = 8
LINKS = ("/signin/x", "/signin/reset/x/y", "/invitations/x", "/shared/x")
IMAGE = {"site": "cross-site", "mode": "no-cors", "dest": "image"}
FRAME = {"site": "cross-site", "mode": "navigate", "dest": "iframe"}
PREFETCH = {"site": "cross-site", "mode": "navigate", "dest": "document"}


def headers(site: str, mode: str, dest: str) -> dict[str, str]:
    return {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("fetch", [IMAGE, FRAME], ids=["image", "frame"])
def test_links_embedded_by_another_site_are_refused_and_not_counted(link: str, fetch: Any) -> None:
    browser = Client(headers=headers(**fetch))
    assert {browser.get(link).status_code for _ in range(LIMIT + 1)} == {403}
    assert not AccessAttempt.objects.exists()


@pytest.mark.parametrize("link", LINKS)
def test_links_prefetched_by_another_site_are_refused_and_not_counted(link: str) -> None:
    prefetch = headers(**PREFETCH) | {"Sec-Purpose": "prefetch;prerender"}
    assert Client(headers=prefetch).get(link).status_code == 403
    assert not AccessAttempt.objects.exists()


def test_valid_link_embedded_by_another_site_is_refused(viewer: User) -> None:
    link = reverse("signin-link", args=[SignInLink(user=viewer).issue()])
    assert Client(headers=headers(**IMAGE)).get(link).status_code == 403
    assert Client(headers=headers(**IMAGE)).post(link).status_code == 403
    assert Client().get(link).status_code == 200, "programs and old browsers send no such headers"


@pytest.mark.parametrize("link", LINKS)
@pytest.mark.parametrize("site", ["none", "same-origin", "cross-site"])
def test_links_opened_as_pages_are_answered_and_counted(link: str, site: str) -> None:
    """Typed in, on our own pages, or in a web mail of another site."""
    assert Client(headers=headers(site, "navigate", "document")).get(link).status_code == 410
    attempt = AccessAttempt.objects.exclude(ip_address=NOWHERE).get()
    assert attempt.failures_since_start == 1

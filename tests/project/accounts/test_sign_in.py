"""Where the sign-in leads, and which session it uses."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from project.accounts.models import User
from tests.cameras.views.rows import PASSWORD
from tests.project.accounts.codes import Clock, enrol, first_step, is_signed_in

pytestmark = pytest.mark.django_db
SIGN_IN = "/signin"


@pytest.mark.parametrize(
    ("onward", "location"),
    [
        ("/account/tokens", "/account/tokens"),
        ("foo", "foo"),  # relative; not the name of a URL
        ("signout", "signout"),
        ("%00", "%00"),
        (SIGN_IN, "/"),
        ("//evil.example", "/"),
        ("https://evil.example/", "/"),
        ("/\\evil.example", "/"),
        ("javascript:alert(1)", "/"),
    ],
)
def test_sign_in_leads_to_an_address_of_this_host(viewer: User, onward: str, location: str) -> None:
    client = Client()
    form = {"username": "viewer", "password": PASSWORD, "next": onward}
    assert client.post(SIGN_IN, form)["Location"] == location
    assert is_signed_in(client)
    assert client.get(SIGN_IN, {"next": onward})["Location"] == location


def test_first_step_begins_a_new_session(viewer: User, clock: Clock) -> None:
    """Whoever has set the cookie in the browser would share the step that the user has passed."""
    enrol(viewer, clock)
    client = first_step(viewer)
    planted = client.cookies[settings.SESSION_COOKIE_NAME].value
    first_step(viewer, client)
    attacker = Client()
    attacker.cookies[settings.SESSION_COOKIE_NAME] = planted
    assert client.get(reverse("second-step")).status_code == 200
    assert attacker.get(reverse("second-step"))["Location"] == SIGN_IN

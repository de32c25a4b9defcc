"""In Chromium: an invitation becomes an account, which gets a second factor and signs in by it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import new_page
from tests.installation import KEEPER, Installation
from tests.project.accounts.codes import code
from tests.project.audit.reading import ask

pytestmark = pytest.mark.extended
PASSWORD = "offside-trap-4-4-2"
SHOTS = os.environ.get("SHOTS")  # a folder for pictures of the pages, to look at
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def fits(page: Page, name: str) -> None:
    """At a desk and on a phone; and pictures of it."""
    size = page.viewport_size
    assert size is not None
    for viewport in (DESK, PHONE):
        page.set_viewport_size(viewport)  # type: ignore[arg-type]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        for scheme in ("light", "dark") if SHOTS else ():
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(path=f"{SHOTS}/{name}-{viewport['width']}-{scheme}.png", full_page=True)
    page.set_viewport_size(size)


def sign_in(page: Page, installation: Installation, username: str, password: str) -> None:
    page.goto(f"{installation.url}/signin")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: not url.endswith("/signin"))


@pytest.fixture
def ann(installation: Installation) -> Iterator[str]:
    """The name of who is invited. She is no member afterwards."""
    name = "journey-ann"
    yield name
    of_hers = f"user_id = (SELECT id FROM accounts_user WHERE username = '{name}')"
    ask(installation, f"DELETE FROM accounts_membership WHERE {of_hers}")


def test_from_an_invitation_to_a_sign_in_with_a_code(
    browser: Browser, installation: Installation, ann: str
) -> None:
    """Who invites sits at a desk; who is invited has a phone, and a desk later."""
    with new_page(browser, viewport=DESK) as mine:
        sign_in(mine.page, installation, KEEPER["username"], KEEPER["password"])
        mine.page.goto(f"{installation.url}/organizations/demo-club")
        mine.page.get_by_label("For whom").fill("Ann of the under twelves")
        mine.page.locator("#invitations").get_by_label("Role").select_option("operator")
        mine.page.get_by_role("button", name="Make a link").click()
        link = mine.page.get_by_label(re.compile("^Link for Ann")).input_value()
        fits(mine.page, "organization")
        assert mine.errors == []
    with new_page(browser, viewport=PHONE) as hers:
        page = hers.page
        page.goto(link)
        fits(page, "invitation")
        page.get_by_label("Username").fill(ann)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password again").fill(PASSWORD)
        page.get_by_role("button", name="Make an account").click()
        expect(page.get_by_text("Welcome. You are a member of Demo club.")).to_be_visible()
        page.goto(f"{installation.url}/account/second-factor")
        expect(page.get_by_role("img", name="QR code")).to_be_visible()
        assert page.evaluate("document.querySelector('.qr').naturalWidth") > 100
        fits(page, "enrolment")
        secret = page.locator("#secret").inner_text()
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_label("Code of the app").fill(code(secret))
        page.get_by_role("button", name="Turn on").click()
        recovery = page.get_by_label("Recovery codes").input_value().split()
        fits(page, "recovery")
        assert len(recovery) == 10
        page.get_by_role("link", name="I have kept them").click()
        expect(page).to_have_url(f"{installation.url}/")
        page.goto(f"{installation.url}/account/second-factor")
        fits(page, "on")
        assert hers.errors == []
    with new_page(browser, viewport=DESK) as again:
        page = again.page
        page.goto(f"{installation.url}/signin?next=/account/password")
        page.get_by_label("Username").fill(ann)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="One more step")).to_be_visible()
        page.get_by_label("Code").fill("000000")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("is not right")).to_be_visible()
        fits(page, "code")
        page.goto(f"{installation.url}/")
        expect(page).to_have_url(re.compile("/signin"))
        page.goto(f"{installation.url}/signin/code")
        page.get_by_label("Code").fill(code(secret, 1))
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{installation.url}/account/password")
        assert again.errors == []
    with new_page(browser, viewport=PHONE) as lost:
        sign_in(lost.page, installation, ann, PASSWORD)
        lost.page.get_by_label("Code").fill(recovery[0])
        lost.page.get_by_role("button", name="Sign in").click()
        expect(lost.page).to_have_url(f"{installation.url}/")
        lost.page.goto(f"{installation.url}/signin/forgotten")
        fits(lost.page, "forgotten")
        assert lost.errors == []

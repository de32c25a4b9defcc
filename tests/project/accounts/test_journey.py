"""In Chromium: invitation, new account, second factor, and sign-in with a code."""

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
SHOTS = os.environ.get("SHOTS")  # a folder for screenshots, for inspection
DESKTOP, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}


def assert_fits(page: Page, name: str) -> None:
    """Assert that the page needs no horizontal scrolling on a desktop and a phone."""
    size = page.viewport_size
    assert size is not None
    for viewport in (DESKTOP, PHONE):
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
    """Yield the name of the invited user, whose membership is deleted afterwards."""
    name = "journey-ann"
    yield name
    condition = f"user_id = (SELECT id FROM accounts_user WHERE username = '{name}')"
    ask(installation, f"DELETE FROM accounts_membership WHERE {condition}")


def test_invited_person_can_sign_in_with_a_code(
    browser: Browser, installation: Installation, ann: str
) -> None:
    """The administrator uses a desktop, the invited person a phone and later a desktop."""
    with new_page(browser, viewport=DESKTOP) as admin:
        sign_in(admin.page, installation, KEEPER["username"], KEEPER["password"])
        admin.page.goto(f"{installation.url}/organizations/demo-club")
        admin.page.get_by_label("For whom").fill("Ann of the under twelves")
        admin.page.locator("#invitations").get_by_label("Role").select_option("operator")
        admin.page.get_by_role("button", name="Make a link").click()
        link = admin.page.get_by_label(re.compile("^Link for Ann")).input_value()
        assert_fits(admin.page, "organization")
        assert admin.errors == []
    with new_page(browser, viewport=PHONE) as invited:
        page = invited.page
        page.goto(link)
        assert_fits(page, "invitation")
        page.get_by_label("Username").fill(ann)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password again").fill(PASSWORD)
        page.get_by_role("button", name="Make an account").click()
        expect(page.get_by_text("Welcome. You are a member of Demo club.")).to_be_visible()
        page.goto(f"{installation.url}/account/second-factor")
        expect(page.get_by_role("img", name="QR code")).to_be_visible()
        assert page.evaluate("document.querySelector('.qr').naturalWidth") > 100
        assert_fits(page, "enrolment")
        secret = page.locator("#secret").inner_text()
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_label("Code of the app").fill(code(secret))
        page.get_by_role("button", name="Turn on").click()
        recovery = page.get_by_label("Recovery codes").input_value().split()
        assert_fits(page, "recovery")
        assert len(recovery) == 10
        page.get_by_role("link", name="I have kept them").click()
        expect(page).to_have_url(f"{installation.url}/")
        page.goto(f"{installation.url}/account/second-factor")
        assert_fits(page, "on")
        assert invited.errors == []
    with new_page(browser, viewport=DESKTOP) as again:
        page = again.page
        page.goto(f"{installation.url}/signin?next=/account/password")
        page.get_by_label("Username").fill(ann)
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="One more step")).to_be_visible()
        page.get_by_label("Code").fill("000000")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("is not right")).to_be_visible()
        assert_fits(page, "code")
        page.goto(f"{installation.url}/")
        expect(page).to_have_url(re.compile("/signin"))
        page.goto(f"{installation.url}/signin/code")
        page.get_by_label("Code").fill(code(secret, 1))
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{installation.url}/account/password")
        assert again.errors == []
    with new_page(browser, viewport=PHONE) as without_phone:
        sign_in(without_phone.page, installation, ann, PASSWORD)
        without_phone.page.get_by_label("Code").fill(recovery[0])
        without_phone.page.get_by_role("button", name="Sign in").click()
        expect(without_phone.page).to_have_url(f"{installation.url}/")
        without_phone.page.goto(f"{installation.url}/signin/forgotten")
        assert_fits(without_phone.page, "forgotten")
        assert without_phone.errors == []

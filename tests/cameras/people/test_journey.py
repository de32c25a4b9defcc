"""In Chromium: an invitation becomes an account, which gets a second factor and signs in by it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import new_page
from tests.cameras.people.codes import code
from tests.installation import KEEPER, Installation, installed

PASSWORD = "offside-trap-4-4-2"
SHOTS = os.environ.get("SHOTS")  # a folder for pictures of the pages, to look at


@pytest.fixture
def site(folder: Path) -> Iterator[Installation]:
    with installed(folder) as house:
        house.serve()
        yield house


def shoot(page: Page, name: str) -> None:
    if SHOTS:
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.screenshot(path=f"{SHOTS}/{name}-{scheme}.png", full_page=True)


def sign_in(page: Page, site: Installation, username: str, password: str) -> None:
    page.goto(f"{site.url}/signin")
    page.get_by_label("Username").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(lambda url: not url.endswith("/signin"))


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.mark.parametrize("width", [1440, 390])
def test_from_an_invitation_to_a_sign_in_with_a_code(
    browser: Browser, site: Installation, width: int
) -> None:
    size = {"viewport": {"width": width, "height": 900 if width > 400 else 844}}
    with new_page(browser, **size) as mine:
        sign_in(mine.page, site, KEEPER["username"], KEEPER["password"])
        mine.page.goto(f"{site.url}/organizations/demo-club")
        mine.page.get_by_label("For whom").fill("Ann of the under twelves")
        mine.page.locator("#invitations").get_by_label("Role").select_option("operator")
        mine.page.get_by_role("button", name="Make a link").click()
        link = mine.page.get_by_label(re.compile("^Link for Ann")).input_value()
        shoot(mine.page, f"organization-{width}")
        assert fits(mine.page)
        assert mine.errors == []
    with new_page(browser, **size) as hers:
        page = hers.page
        page.goto(link)
        shoot(page, f"invitation-{width}")
        page.get_by_label("Username").fill("ann")
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_label("Password again").fill(PASSWORD)
        page.get_by_role("button", name="Make an account").click()
        expect(page.get_by_text("Welcome. You are a member of Demo club.")).to_be_visible()
        page.goto(f"{site.url}/account/second-factor")
        expect(page.get_by_role("img", name="QR code")).to_be_visible()
        assert page.evaluate("document.querySelector('.qr').naturalWidth") > 100
        shoot(page, f"enrolment-{width}")
        assert fits(page)
        secret = page.locator("#secret").inner_text()
        page.get_by_label("Code of the app").fill(code(secret, -1))
        page.get_by_label("Your password").fill(PASSWORD)
        page.get_by_role("button", name="Turn on").click()
        recovery = page.get_by_label("Recovery codes").input_value().split()
        shoot(page, f"recovery-{width}")
        assert fits(page)
        assert len(recovery) == 10
        page.get_by_role("link", name="I have kept them").click()
        expect(page).to_have_url(f"{site.url}/")
        page.goto(f"{site.url}/account/second-factor")
        shoot(page, f"on-{width}")
        assert hers.errors == []
    with new_page(browser, **size) as again:
        page = again.page
        page.goto(f"{site.url}/signin?next=/account/password")
        page.get_by_label("Username").fill("ann")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", name="One more step")).to_be_visible()
        page.get_by_label("Code").fill("000000")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_text("That code is not right")).to_be_visible()
        shoot(page, f"code-{width}")
        page.goto(f"{site.url}/")
        expect(page).to_have_url(re.compile("/signin"))
        page.goto(f"{site.url}/signin/code")
        page.get_by_label("Code").fill(code(secret, 1))
        page.get_by_role("button", name="Sign in").click()
        expect(page).to_have_url(f"{site.url}/account/password")
        assert again.errors == []
    with new_page(browser, **size) as lost:
        sign_in(lost.page, site, "ann", PASSWORD)
        lost.page.get_by_label("Code").fill(recovery[0])
        lost.page.get_by_role("button", name="Sign in").click()
        expect(lost.page).to_have_url(f"{site.url}/")
        lost.page.goto(f"{site.url}/signin/forgotten")
        shoot(lost.page, f"forgotten-{width}")
        assert lost.errors == []

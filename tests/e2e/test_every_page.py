"""One journey through every page, in a real Chromium. All names on the pages are pieces of markup.

Every page has its heading, fits at both widths, names its controls, logs no error, contacts no
other host, and executes nothing from the names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.browser import Tab, new_page
from tests.e2e.chatting import A_CHAT
from tests.e2e.watching import (
    CANVAS_HAS_PICTURE,
    FITS_WIDTH,
    NARROW,
    RECORD_VIOLATIONS,
    UNNAMED_CONTROLS,
    WIDE,
    expect_badge,
    sign_in,
)
from tests.endpoint import Model, Script, endpoint
from tests.gate.tables import rows
from tests.installation import KEEPER, Installation, installed
from tests.waiting import until

NASTY = "<img src=x onerror=alert(1)><svg/onload=alert(2)>'\"`{{7*7}}"
_ROWS = """
import json
from django.contrib.auth.tokens import default_token_generator
from django.urls import reverse
from pyotp import random_base32
from cameras.models import *
from project.accounts.models import *
from chats.models import *
from tests.cookies import create_session
nasty, keeper = {nasty!r}, User.objects.get(username="keeper")
Organization.objects.update(name=nasty[:100])
club, camera = Organization.objects.get(), Camera.objects.get()
own = keeper.memberships.get()
Camera.objects.update(name=nasty[:80])
push = Camera.objects.create(organization=club, name="2" + nasty[:70], kind="push")
StreamKey(camera=camera, name=nasty[:100]).issue()
link = ShareLink.objects.create(camera=camera, name=nasty[:100])
token, _ = Token.objects.create(user=keeper, organization=club, scopes=["read"], name=nasty[:100])
guest = User.objects.create_user("guest", first_name=nasty[:100], last_name=nasty[:100])
Membership.objects.create(user=guest, organization=club)
Chat.objects.create(organization=club, owner=keeper, title=nasty[:60])
careful = User.objects.create_user("careful", password="{password}")
SecondFactor.turn_on(careful, random_base32(), 0)
newcomer = User.objects.create_user("newcomer")
Assistant.objects.create(organization=club, base_url="{url}", model="scripted")
print("MADE" + json.dumps(dict(
    camera=str(camera.pk), link=link.text, signin=SignInLink(user=guest).issue(),
    newcomer=create_session(newcomer),
    invitation=Invitation(organization=club, name=nasty[:100], membership=own).issue(),
    reset=reverse("reset", args=[keeper.pk.hex, default_token_generator.make_token(keeper)]))))
"""
# GET routes that are no pages: data for programs, files, a stream, redirects.
NO_PAGES = {
    "healthz", "readyz", "api-schema", "api-asyncapi", "audit-file", "camera-still",
    "admin-login", "admin/password_change/",
}  # fmt: skip
# Route name → path and heading. Before signing in (OUTSIDE) and after (INSIDE).
OUTSIDE = {
    "signin": ("/signin", "Sign in to Sideline"),
    "forgotten": ("/signin/forgotten", "Forgotten password"),
    "reset": ("{reset}", "A new password"),
    "signin-link": ("/signin/{signin}", "Sign in as guest"),
    "invitation": ("/invitations/{invitation}", f"{NASTY} invites you"),
    "shared": ("/shared/{link}", f"{NASTY} shares the camera {NASTY} with you"),
}
INSIDE = {
    "wall": ("/", NASTY),
    "camera": ("/cameras/{camera}", NASTY),
    "camera-add": ("/cameras/new", "Add a camera"),
    "camera-edit": ("/cameras/{camera}/edit", f"Edit {NASTY}"),
    "camera-delete": ("/cameras/{camera}/delete", f"Remove {NASTY}?"),
    "organization": ("/organizations/demo-club", NASTY),
    "audit": ("/organizations/demo-club/audit", "Audit log"),
    "detector": ("/organizations/demo-club/detector", "Detector"),
    "assistant": ("/organizations/demo-club/assistant", "Assistant"),
    "password": ("/account/password", "Change your password"),
    "second-factor": ("/account/second-factor", "Second factor"),
    "tokens": ("/account/tokens", "Tokens for programs"),
    "chats": ("/chats", "Chats"),
    "chat-new": ("/chats/new", "New chat"),
    "api-docs": ("/api/docs/", "Sideline"),
}
BY_DOING = {"second-step", "chat"}
ADMIN = {
    "/admin/": "Site administration",
    "/admin/cameras/camera/": "Select camera to change",
    "/admin/cameras/camera/{camera}/change/": "Change camera",
    "/admin/cameras/camera/{camera}/delete/": "Delete",
    "/admin/accounts/organization/": "Select organization to change",
    "/admin/accounts/user/": "Select user to change",
    "/admin/accounts/token/": "Select token to view",
    "/admin/cameras/streamkey/": "Select stream key to view",
    "/admin/audit/auditentry/": "Audit log",
    "/admin/chats/chat/": "Select chat to view",
}
# Resolves when the page is laid out and painted and all its images have loaded or failed.
TWO_FRAMES = """() => new Promise((done) => requestAnimationFrame(() => setTimeout(() =>
  requestAnimationFrame(() => done())))).then(() => Promise.all([...document.images].map((one) =>
  one.complete || one.loading === "lazy" || new Promise((done) => {
    one.addEventListener("load", done); one.addEventListener("error", done); }))))"""


@dataclass
class Visitor:
    """Visits pages and collects their faults in `faults`."""

    tab: Tab
    installation: Installation
    facts: dict[str, str]
    faults: list[Any] = field(default_factory=list)

    @property
    def page(self) -> Page:
        return self.tab.page

    def visit(self, path: str, heading: str) -> None:
        path = path.format(**self.facts)
        answer = self.page.goto(self.installation.url + path, wait_until="load")
        assert answer is not None
        if answer.status != 200:
            self.faults.append((path, answer.status))
        if "<img src=x" in answer.text():
            self.faults.append((path, "a name is markup"))
        self.examine(path, heading)

    def examine(self, what: str, heading: str) -> None:
        """Check the open page at both widths."""
        is_exact = what != "/api/docs/"  # its heading also has the version
        found = self.page.get_by_role("heading", name=heading, exact=is_exact)
        expect(found.first).to_be_attached()
        is_ours = not what.startswith(("/admin/", "/api/"))
        for viewport in (NARROW, WIDE):
            self.page.set_viewport_size(viewport)  # type: ignore[arg-type]
            self.page.evaluate(TWO_FRAMES)
            if is_ours and not self.page.evaluate(FITS_WIDTH):
                self.faults.append((what, viewport["width"], "scrolls sideways"))
            if is_ours and (found := self.page.evaluate(UNNAMED_CONTROLS)):
                self.faults.append((what, viewport["width"], "no name", found))
        if found := self.page.evaluate("window.happened"):
            self.faults.append((what, found))
        if self.page.locator("img[src='x'], [onerror], [onload]").count():
            self.faults.append((what, "a name became an element"))
        if self.tab.errors:
            self.faults.append((what, list(self.tab.errors)))
            self.tab.errors.clear()


@pytest.fixture
def model() -> Iterator[Model]:
    with endpoint() as running:
        running.script = Script(pieces=("Bold **words** ", "of a model."))
        yield running


@pytest.fixture
def visitor(
    browser: Browser, model: Model, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Visitor]:
    folder = tmp_path_factory.mktemp("pages")
    with (
        installed(folder, SIDELINE_MODEL_SERVERS=model.address) as installation,
        new_page(browser, viewport=WIDE) as tab,
    ):
        installation.serve()
        script = _ROWS.format(nasty=NASTY, url=model.url, password=KEEPER["password"])
        made = installation.manage("shell", "-v0", "-c", script).partition("MADE")[2]
        tab.context.add_init_script(RECORD_VIOLATIONS)
        yield Visitor(tab, installation, json.loads(made))


def test_every_page_has_a_row_here() -> None:
    """A new page needs a row in OUTSIDE, INSIDE or BY_DOING."""
    page_routes = {row.route for row in rows("pages.txt") if row.method == "GET"}
    assert page_routes - NO_PAGES == {*OUTSIDE, *INSIDE} | BY_DOING
    assert page_routes >= NO_PAGES


@pytest.mark.timeout(300)
def test_every_page_works_and_shows_names_as_text(visitor: Visitor) -> None:
    page, installation = visitor.page, visitor.installation
    other_hosts: list[str] = []

    def note(request: Request) -> None:
        if request.url.startswith("http") and not request.url.startswith(installation.url + "/"):
            other_hosts.append(request.url)

    visitor.tab.context.on("request", note)
    for path, heading in OUTSIDE.values():
        visitor.visit(path, heading)

    page.goto(installation.url)
    page.get_by_label("Username").fill("careful")
    page.get_by_label("Password").fill(KEEPER["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile("/signin/code"))
    visitor.examine("second-step", "One more step")

    cookie = {
        "name": "sideline_session",
        "value": visitor.facts["newcomer"],
        "url": installation.url,
    }
    visitor.tab.context.add_cookies([cookie])  # type: ignore[list-item]
    visitor.visit(*OUTSIDE["invitation"])  # has another text for a signed-in user
    visitor.tab.context.clear_cookies()

    sign_in(page, installation)
    for path, heading in INSIDE.values():
        visitor.visit(path, heading)
        if "/cameras/{camera}" == path:
            expect_badge(page, "Live")
            until(lambda: page.evaluate(CANVAS_HAS_PICTURE), 60, "a picture")
            visitor.examine("the camera page while it is live", heading)
    visitor.visit(*OUTSIDE["invitation"])  # has another text for a member
    page.goto(installation.url + "/chats/new")
    page.get_by_role("textbox", name="Message", exact=True).fill(NASTY)
    page.keyboard.press("Enter")
    answer = page.get_by_role("article", name="Assistant")
    expect(answer.locator(".cost")).to_be_visible(timeout=30_000)
    expect(answer.locator("[data-words]")).to_have_text("Bold words of a model.")
    expect(page).to_have_url(A_CHAT)
    visitor.examine("chat", NASTY)
    for path, heading in ADMIN.items():
        visitor.visit(path, heading)

    page.goto(installation.url)
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    visitor.examine("signed out", "Sign in to Sideline")
    assert visitor.faults == []
    assert other_hosts == []

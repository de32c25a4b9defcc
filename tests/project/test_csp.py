"""The Content-Security-Policy, and its enforcement in Chromium."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import resolve
from playwright.sync_api import Browser

from project.csp import ContentPolicy
from tests import ROOT
from tests.browser import new_page
from tests.installation import KEEPER, Installation, submit

PAGES = (
    "/", "/chats", "/cameras/new", "/cameras/{camera}", "/cameras/{camera}/edit",
    "/organizations/demo-club", "/organizations/demo-club/assistant", "/account/password",
    "/account/tokens",
    "/api/docs/", "/admin/", "/admin/cameras/camera/", "/admin/cameras/camera/{camera}/change/",
    "/admin/accounts/user/", "/admin/accounts/organization/add/", "/admin/audit/auditentry/",
    "/admin/chats/assistant/", "/admin/chats/chat/usage/",
)  # fmt: skip
_REPORT = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => window.violations.push(
  `${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile} ${event.sample}`));
"""
_IDLE = "() => new Promise((done) => requestIdleCallback(() => setTimeout(done)))"


@pytest.fixture(scope="module")
def signed_in(installation: Installation) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=installation.url, follow_redirects=True) as client:
        submit(client, client.get("/signin"), KEEPER)
        yield client


@pytest.fixture(scope="module")
def camera(installation: Installation) -> str:
    with installation.api() as api:
        cameras = api.get("/cameras").json()["results"]
    return str(next(one["id"] for one in cameras if one["name"] == "Plaza"))


def policy_of(answer: httpx.Response) -> dict[str, str]:
    """Return the policy's directives by name."""
    header = answer.headers["content-security-policy"]
    return {part.split()[0]: part.partition(" ")[2] for part in header.split("; ")}


def test_every_page_has_its_own_nonce_and_no_inline_code(
    signed_in: httpx.Client, camera: str
) -> None:
    seen = set()
    for path in PAGES:
        answer = signed_in.get(path.format(camera=camera))
        assert answer.status_code == 200, path
        policy = policy_of(answer)
        nonce = re.fullmatch(r"'nonce-([\w+/=]{20,})'", policy["script-src"])
        assert nonce, (path, policy["script-src"])
        assert nonce[1] not in seen
        seen.add(nonce[1])
        assert policy["default-src"] == policy["object-src"] == policy["base-uri"] == "'none'"
        assert "unsafe" not in answer.headers["content-security-policy"]
        ours = not path.startswith(("/admin", "/api"))
        assert ("require-trusted-types-for" in policy) is ours, path
        for tag in re.findall(r"<script\b[^>]*>", answer.text):
            assert f'nonce="{nonce[1]}"' in tag or 'type="application/json"' in tag, (path, tag)
        assert not re.search(r"<[^>]+\s(on\w+|style)=", answer.text), path


@pytest.mark.extended
def test_pages_cause_no_policy_violations(
    installation: Installation, browser: Browser, signed_in: httpx.Client, camera: str
) -> None:
    with new_page(browser) as tab:
        tab.copy_cookies(signed_in, installation.url)
        tab.context.add_init_script(_REPORT)
        for path in PAGES:
            tab.page.goto(installation.url + path.format(camera=camera), wait_until="load")
            tab.page.evaluate(_IDLE)  # scripts have run, or have been refused
            assert tab.page.evaluate("window.violations") == [], path
        assert tab.errors == []


def test_injected_script_does_not_run(
    installation: Installation, browser: Browser, signed_in: httpx.Client
) -> None:
    """Inline, by attribute, from another origin, and as HTML: the defence behind escaping."""
    with new_page(browser) as tab:
        tab.copy_cookies(signed_in, installation.url)
        tab.context.add_init_script(_REPORT)
        tab.page.goto(installation.url)
        tab.page.evaluate(
            """() => {
              window.refused = [];
              const attempt = (action) => {
                try { action(); } catch (error) { window.refused.push(error.name); }
              };
              const inline = document.createElement("script");
              attempt(() => { inline.append("window.broken = 1"); document.head.append(inline); });
              const button = document.createElement("button");
              attempt(() => button.setAttribute("onclick", "window.broken = 2"));
              attempt(() => { button.outerHTML = "<img src=x onerror='window.broken = 3'>"; });
              attempt(() => document.body.insertAdjacentHTML("beforeend", "<p>text"));
              const foreign = document.createElement("script");
              attempt(() => { foreign.src = "https://evil.example/x.js"; });
              document.body.append(button);
              button.click();
            }"""
        )
        assert tab.page.evaluate("window.broken") is None
        assert len(tab.page.evaluate("window.refused")) >= 4
        assert len(tab.page.evaluate("window.violations")) >= 5


def test_templates_give_every_script_the_nonce() -> None:
    for template in Path(ROOT / "templates").rglob("*.html"):
        for tag in re.findall(r"<script\b[^>]*>", template.read_text()):
            assert "csp_nonce" in tag, template


@pytest.mark.parametrize(
    ("tag", "trusted"),
    [
        ('<script src="/static/admin/js/core.js">', True),
        ('<script id="a-b"\n  src="/static/a.js" data-x="1 &gt; 2" async>', True),
        ('<script type="module" src="/static/a.js" defer >', True),
        ('<script src="/admin/jsi18n/">', True),
        ("<script src='https://evil.example/x.js' src=\"/static/admin/js/core.js\">", False),
        ('<script src=data:,x x src="/static/a">', False),
        ('<script src="https://evil.example/x.js" src="/static/a.js">', False),
        ('<script src="/static/a.js" src="https://evil.example/x.js">', False),
        ('<script data-x=">" src="/static/a.js">', False),
        ('<script/src=data:,x src="/static/a.js">', False),
        ('<script src="/static/../media/x.js">', False),
        ('<script src="/static/%2e%2e/media/x.js">', False),
        ('<script src="/static/&#46;./media/x.js">', False),
        ('<script src="/media/x.js">', False),
        ("<script>", False),
    ],
)
def test_only_admin_scripts_in_the_exact_form_get_a_nonce(
    rf: RequestFactory, tag: str, trusted: bool
) -> None:
    def page(request: HttpRequest) -> HttpResponse:
        request.resolver_match = resolve("/admin/")
        return HttpResponse(f"<p>{tag}</script>")

    answer = ContentPolicy(page)(rf.get("/admin/")).content.decode()
    assert (' nonce="' in answer) is trusted
    assert re.sub(r' nonce="[^"]*"', "", answer) == f"<p>{tag}</script>"


def test_other_headers(signed_in: httpx.Client) -> None:
    answer = signed_in.get("/")
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "camera=(self)" in answer.headers["permissions-policy"]
    assert "strict-transport-security" not in answer.headers

"""The access matrix of the admin: every route, for callers who are not staff and for staff.

Callers who are not staff are redirected to the sign-in, staff without permissions are refused, a
superuser gets every page. There is no table: one rule holds for all, with the exceptions below.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.contrib import admin
from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.gate.callers import REJECTED, Callers
from tests.gate.inprocess import ORIGIN, InProcessClient

# Open to all staff: these pages show no rows.
FOR_ALL_STAFF = {
    "index", "app_list", "password_change", "password_change_done", "logout", "jsi18n",
    "autocomplete", "view_on_site", "login",
}  # fmt: skip
# Open to everybody: sign-in, sign-out, translations, and a redirect to our own page.
FOR_EVERYBODY = {"login", "logout", "jsi18n", "password_change"}
POST_ONLY = {"logout", "chats_assistant_test"}
MAY_REFUSE = {
    "catch-all",
    "cameras_camera_thumbnail",  # 404 of a camera that has no picture yet
    "chats_chat_history",
    "password_change",
    "app_list",
    "login",
    "autocomplete",
    "view_on_site",
}
NOT_STAFF = (
    "nobody",
    "outsider",
    "removed",
    "admin",
    *REJECTED,
)  # `admin` administers an organization
TOKEN = "a" * 32

_SCRIPT = """
import json
from django.contrib import admin
from cameras.models import DeviceGrant
from project.accounts.models import *
from tests.cookies import create_session
from tests.gate.logs import create_log_rows
create_log_rows("x")
DeviceGrant.objects.create(organization=Organization.objects.first(), device=63)
created = dict(sessions=dict(), rows=dict())
for name, is_superuser in (("clerk", False), ("root", True)):
    user = User.objects.create_user("gate-" + name, is_staff=True, is_superuser=is_superuser)
    created["sessions"][name] = create_session(user)
for model in admin.site._registry:
    created["rows"][model._meta.label_lower] = str(model._default_manager.first().pk)
print("CREATED" + json.dumps(created))
"""


def _patterns(
    patterns: list[URLPattern | URLResolver], prefix: str
) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from _patterns(pattern.url_patterns, prefix)
        else:
            yield str(pattern.name or "catch-all"), pattern


def admin_patterns() -> dict[str, URLPattern]:
    """Return the URL patterns of the admin by name."""
    for resolver in get_resolver().url_patterns:
        if isinstance(resolver, URLResolver) and resolver.namespace == "admin":
            return dict(_patterns(resolver.url_patterns, ""))
    raise AssertionError("no URL resolver has the namespace admin")


PATTERNS = admin_patterns()


def _url(name: str, rows: dict[str, str]) -> tuple[str, bool]:
    """Return the path, and True if it refers to an existing row."""
    pattern = PATTERNS[name]
    names = list(pattern.pattern.regex.groupindex)
    if name == "catch-all":
        return ("/admin/no/such/address" if "url" in names else "/admin/cameras/camera/1/"), False
    kwargs, has_row = {}, True
    for argument in names:
        if argument == "app_label":
            kwargs[argument] = "cameras"
        elif name == "view_on_site":
            kwargs[argument], has_row = "1", False
        else:
            kwargs[argument] = rows[_model_of(name)]
    return reverse(f"admin:{name}", kwargs=kwargs), has_row


def _model_of(name: str) -> str:
    if name == "auth_user_password_change":  # this name does not depend on the model's
        return "accounts.user"
    return next(
        model._meta.label_lower
        for model in admin.site._registry
        if name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_")
    )


def _is_sign_in(address: str) -> bool:
    return address.startswith(("/admin/login/?", "/signin"))


@dataclass(frozen=True, slots=True)
class Admin:
    """Requests to the admin: session keys by caller, and the key of one row by model."""

    client: InProcessClient
    sessions: dict[str, str]
    rows: dict[str, str]

    def request(self, caller: str, path: str, method: str = "GET") -> HttpResponse:
        session = self.sessions[caller]
        cookies = [f"sideline_csrf={TOKEN}"] + ([f"sideline_session={session}"] if session else [])
        headers = {"Cookie": "; ".join(cookies), "X-CSRFToken": TOKEN, "Origin": ORIGIN}
        return self.client.request(method, path, headers)

    def urls(self) -> Iterator[tuple[str, str, bool]]:
        """Yield name and path of each route, and True if it refers to an existing row."""
        for name in sorted(PATTERNS):
            yield name, *_url(name, self.rows)

    def get_and_post(self, caller: str) -> Iterator[tuple[str, str, bool, HttpResponse]]:
        """Yield name, method, True if there is a row, and the response. Never signs out."""
        for name, path, has_row in self.urls():
            for method in ("GET",) if name == "logout" else ("GET", "POST"):
                yield name, method, has_row, self.request(caller, path, method)


@pytest.fixture(scope="module")
def site(in_process: InProcessClient) -> Admin:
    callers = Callers(in_process, "gate-admin")
    created = json.loads(in_process.manage(_SCRIPT).partition("CREATED")[2])
    sessions = {name: caller.session for name, caller in callers.by_name.items()}
    return Admin(in_process, sessions | created["sessions"], created["rows"])


def test_admin_has_more_than_fifty_routes() -> None:
    assert len(PATTERNS) > 50


@pytest.mark.postgres
@pytest.mark.parametrize("caller", NOT_STAFF)
def test_callers_who_are_not_staff_can_open_no_page(site: Admin, caller: str) -> None:
    wrong = {}
    for name, method, _, response in site.get_and_post(caller):
        is_refused = response.status_code in (403, 405) or (
            response.status_code == 302 and _is_sign_in(response.headers["location"])
        )
        if not is_refused and name not in FOR_EVERYBODY:
            wrong[name, method] = response.status_code
    assert wrong == {}


@pytest.mark.postgres
def test_staff_without_permissions_can_open_no_page(site: Admin) -> None:
    wrong = {}
    for name, method, has_row, response in site.get_and_post("clerk"):
        status = response.status_code
        is_refused = status in (403, 405) or (not has_row and status in (302, 404))
        if not is_refused and name not in FOR_ALL_STAFF | FOR_EVERYBODY:
            wrong[name, method] = status
    assert wrong == {}


@pytest.mark.postgres
def test_superuser_can_open_every_page(site: Admin) -> None:
    wrong = {}
    for name, path, has_row in site.urls():
        status = site.request("root", path).status_code
        if name in POST_ONLY:
            expected = {405}
        elif name in MAY_REFUSE or not has_row:
            expected = {200, 302, 403, 404}
        elif name.endswith(("_add", "_delete", "_history")):
            expected = {200, 403}  # logs and credentials are neither created nor deleted
        else:
            expected = {200}
        if status not in expected:
            wrong[name] = status
    assert wrong == {}

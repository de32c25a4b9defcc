"""The access matrix of the admin: every address in it, for strangers, members, and staff.

Who is no staff is asked to sign in; staff without a permission is refused; a superuser gets an
answer. There is no table: the rule is the same for all, and exceptions are named here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.contrib import admin
from django.http import HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.gate.callers import GONE, Crowd
from tests.gate.inprocess import ORIGIN, InProcess

# Open to staff of any kind: they show nothing of anybody.
FOR_ALL_STAFF = {
    "index", "app_list", "password_change", "password_change_done", "logout", "jsi18n",
    "autocomplete", "view_on_site", "login",
}  # fmt: skip
# A form, a farewell, words of Django's, and the way to our own page, which asks.
FOR_EVERYBODY = {"login", "logout", "jsi18n", "password_change"}
POST_ONLY = {"logout", "chats_assistant_test", "chats_selftest_begin", "chats_selftest_here",
             "chats_selftest_judge"}  # fmt: skip
READ_ONLY = {
    "catch-all",
    "cameras_camera_thumbnail",  # 404 of a camera that has no picture yet
    "chats_chat_history",
    "password_change",
    "app_list",
    "login",
    "autocomplete",
    "view_on_site",
}
STRANGERS = ("nobody", "outsider", "removed", "admin", *GONE)  # `admin` is one of a club's
TOKEN = "a" * 32

_SCRIPT = """
import json
from django.contrib import admin
from project.accounts.models import *
from tests.cookies import cookie_of
from tests.gate.logs import log_everything
log_everything("x")
told = dict(sessions=dict(), rows=dict())
for name, above in (("clerk", False), ("root", True)):
    user = User.objects.create_user("gate-" + name, is_staff=True, is_superuser=above)
    told["sessions"][name] = cookie_of(user)
for model in admin.site._registry:
    told["rows"][model._meta.label_lower] = str(model._default_manager.first().pk)
print("TOLD" + json.dumps(told))
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
    """By name, those of the admin."""
    for resolver in get_resolver().url_patterns:
        if isinstance(resolver, URLResolver) and resolver.namespace == "admin":
            return dict(_patterns(resolver.url_patterns, ""))
    raise AssertionError("there is no admin")


PATTERNS = admin_patterns()


def _address(name: str, rows: dict[str, str]) -> tuple[str, bool]:
    """The path, and whether it is about a row that there is."""
    pattern = PATTERNS[name]
    names = list(pattern.pattern.regex.groupindex)
    if name == "catch-all":
        return ("/admin/no/such/address" if "url" in names else "/admin/cameras/camera/1/"), False
    kwargs, there = {}, True
    for one in names:
        if one == "app_label":
            kwargs[one] = "cameras"
        elif name == "view_on_site":
            kwargs[one], there = "1", False
        else:
            kwargs[one] = rows[_model_of(name)]
    return reverse(f"admin:{name}", kwargs=kwargs), there


def _model_of(name: str) -> str:
    if name == "auth_user_password_change":  # Django's name for it, whatever the model is called
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
    """The admin, the sessions of those who ask for it, and a row of each model."""

    here: InProcess
    sessions: dict[str, str]
    rows: dict[str, str]

    def ask(self, asker: str, path: str, method: str = "GET") -> HttpResponse:
        session = self.sessions[asker]
        cookies = [f"sideline_csrf={TOKEN}"] + ([f"sideline_session={session}"] if session else [])
        headers = {"Cookie": "; ".join(cookies), "X-CSRFToken": TOKEN, "Origin": ORIGIN}
        return self.here.ask(method, path, headers)

    def addresses(self) -> Iterator[tuple[str, str, bool]]:
        """Name and path of each, and whether it is about a row that there is."""
        for name in sorted(PATTERNS):
            yield name, *_address(name, self.rows)

    def looks_and_posts(self, asker: str) -> Iterator[tuple[str, str, bool, HttpResponse]]:
        """Name, method, whether there is a row, answer. Nobody signs out: they are needed yet."""
        for name, path, there in self.addresses():
            for method in ("GET",) if name == "logout" else ("GET", "POST"):
                yield name, method, there, self.ask(asker, path, method)


@pytest.fixture(scope="module")
def site(here: InProcess) -> Admin:
    crowd = Crowd(here, "gate-admin")
    told = json.loads(here.manage(_SCRIPT).partition("TOLD")[2])
    sessions = {name: one.session for name, one in crowd.askers.items()}
    return Admin(here, sessions | told["sessions"], told["rows"])


def test_there_are_as_many_addresses_as_there_were() -> None:
    assert len(PATTERNS) > 50


@pytest.mark.postgres
@pytest.mark.parametrize("asker", STRANGERS)
def test_strangers_are_let_in_nowhere(site: Admin, asker: str) -> None:
    wrong = {}
    for name, method, _, answer in site.looks_and_posts(asker):
        refused = answer.status_code in (403, 405) or (
            answer.status_code == 302 and _is_sign_in(answer.headers["location"])
        )
        if not refused and name not in FOR_EVERYBODY:
            wrong[name, method] = answer.status_code
    assert wrong == {}


@pytest.mark.postgres
def test_staff_without_a_permission_is_let_in_nowhere(site: Admin) -> None:
    wrong = {}
    for name, method, there, answer in site.looks_and_posts("clerk"):
        status = answer.status_code
        refused = status in (403, 405) or (not there and status in (302, 404))
        if not refused and name not in FOR_ALL_STAFF | FOR_EVERYBODY:
            wrong[name, method] = status
    assert wrong == {}


@pytest.mark.postgres
def test_a_superuser_gets_an_answer_everywhere(site: Admin) -> None:
    wrong = {}
    for name, path, there in site.addresses():
        status = site.ask("root", path).status_code
        if name in POST_ONLY:
            right = {405}
        elif name in READ_ONLY or not there:
            right = {200, 302, 403, 404}
        elif name.endswith(("_add", "_delete", "_history")):
            right = {200, 403}  # logs and credentials are neither made nor deleted
        else:
            right = {200}
        if status not in right:
            wrong[name] = status
    assert wrong == {}

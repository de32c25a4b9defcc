"""The access matrix of the admin: every address in it, for strangers, members, and staff.

Who is no staff is asked to sign in; staff without a permission is refused; a superuser gets an
answer. There is no table: the rule is the same for all, and exceptions are named here.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from django.contrib import admin
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.gate.askers import GONE, Crowd
from tests.installation import Installation

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
from django.apps import apps
from django.contrib import admin
from cameras.models import *
from tests.cookies import cookie_of
told = dict(sessions=dict(), rows=dict())
for name, above in (("clerk", False), ("root", True)):
    user = User.objects.create_user("gate-" + name, is_staff=True, is_superuser=above)
    told["sessions"][name] = cookie_of(user)
for model in admin.site._registry:
    row = model._default_manager.first()
    told["rows"][model._meta.label_lower] = str(row.pk) if row else None
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


@pytest.fixture(scope="module")
def crowd(house: Installation) -> Crowd:
    return Crowd(house, "gate-admin")


@pytest.fixture(scope="module")
def told(house: Installation, crowd: Crowd) -> dict[str, dict[str, str]]:
    printed = house.manage("shell", "-v0", "-c", _SCRIPT)
    found: dict[str, dict[str, str]] = json.loads(printed.partition("TOLD")[2])
    return found


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
            row = rows.get(_model_of(name), "")
            kwargs[one], there = row or "00000000-0000-4000-8000-000000000000", bool(row)
    return reverse(f"admin:{name}", kwargs=kwargs), there


def _model_of(name: str) -> str:
    if name == "auth_user_password_change":  # Django's name for it, whatever the model is called
        return "cameras.user"
    return next(
        model._meta.label_lower
        for model in admin.site._registry
        if name.startswith(f"{model._meta.app_label}_{model._meta.model_name}_")
    )


def _is_sign_in(address: str) -> bool:
    return address.startswith(("/admin/login/?", "/signin"))


@dataclass(frozen=True, slots=True)
class Knocking:
    """A browser of somebody who is signed in, or is not."""

    client: httpx.Client

    def ask(self, path: str, method: str = "GET") -> httpx.Response:
        headers = {"X-CSRFToken": TOKEN, "Origin": str(self.client.base_url).rstrip("/")}
        return self.client.request(method, path, headers=headers)


@pytest.fixture(scope="module")
def browsers(
    house: Installation, crowd: Crowd, told: dict[str, dict[str, str]]
) -> Iterator[dict[str, Knocking]]:
    sessions = {name: one.session for name, one in crowd.askers.items()} | told["sessions"]
    with contextlib.ExitStack() as stack:
        found = {}
        for name, session in sessions.items():
            cookies = {"sideline_csrf": TOKEN} | ({"sideline_session": session} if session else {})
            client = httpx.Client(base_url=house.url, cookies=cookies, timeout=30)
            found[name] = Knocking(stack.enter_context(client))
        yield found


def test_size(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        asked = len(PATTERNS) * (2 * len(STRANGERS) + 3)
        print(f"\n[matrix of the admin: {len(PATTERNS)} addresses, {asked} requests]")
    assert len(PATTERNS) > 50


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_address(browsers: dict[str, Knocking], told: dict[str, dict[str, str]], name: str) -> None:
    path, there = _address(name, told["rows"])
    for asker in STRANGERS:
        for method in ("GET",) if name == "logout" else ("GET", "POST"):  # they are needed yet
            answer = browsers[asker].ask(path, method)
            told_off = answer.status_code in (403, 405) or (
                answer.status_code == 302 and _is_sign_in(answer.headers["location"])
            )
            assert told_off or name in FOR_EVERYBODY, (asker, method, answer.status_code)
    for method in ("GET",) if name == "logout" else ("GET", "POST"):
        clerk = browsers["clerk"].ask(path, method)
        refused = clerk.status_code in (403, 405) or (not there and clerk.status_code in (302, 404))
        assert refused or name in FOR_ALL_STAFF | FOR_EVERYBODY, (method, clerk.status_code)
    root = browsers["root"].ask(path)
    if name in POST_ONLY:
        assert root.status_code == 405
    elif name in READ_ONLY or not there:
        assert root.status_code in (200, 302, 403, 404), root.status_code
    elif name.endswith(
        ("_add", "_delete", "_history")
    ):  # logs and credentials are neither made nor deleted
        assert root.status_code in (200, 403), root.status_code
    else:
        assert root.status_code == 200, root.status_code
